// A manager, and frames, that a test turns by hand.

/** What the ties use of a manager. */
export class FakeManager {
  listeners = { all: new Set(), state: new Set(), reset: new Set(), signOut: new Set() };
  recipient = null;
  signOuts = 0;
  state = { status: "connecting" };
  options = { url: "http://x/notifications", user: "alice" };
  cursor = null;
  calls = [];
  onAll = (listener) => this.#on("all", listener);
  onState = (listener) => this.#on("state", listener);
  onReset = (listener) => this.#on("reset", listener);
  onSignOut = (listener) => this.#on("signOut", listener);
  connect = () => this.calls.push("connect");
  close = () => this.calls.push("close");
  retryNow = () => this.calls.push("retryNow");
  signOut = () => {
    this.calls.push("signOut");
    this.signOuts += 1;
    this.recipient = this.cursor = null;
    this.say("signOut");
  };
  switchUser = ({ user }) => {
    this.options = { ...this.options, user };
    this.signOut();
    this.calls.push(`as ${user}`);
  };
  history = async () => ({ items: [], more: false, reset: null });
  #on(kind, listener) {
    this.listeners[kind].add(listener);
    return () => this.listeners[kind].delete(listener);
  }
  say(kind, value) {
    for (const listener of this.listeners[kind]) listener(value);
  }
  send(id, type = "new_message", epoch = "e") {
    this.cursor = `${epoch}.${id}`;
    this.say("all", { notification_id: `n${id}`, notification_type: type, cursor: this.cursor, payload: {} });
  }
}

/** Frames that are painted by hand. */
export function frames() {
  const due = [];
  return {
    nextFrame: (act) => (due.push(act), () => due.splice(due.indexOf(act), 1)),
    paint: () => due.splice(0).forEach((act) => act()),
  };
}
