// One connection for all tabs, in the tab that holds a Web Lock; the others hear of it on a BroadcastChannel. When
// that tab dies the browser gives the lock to the next one, which goes on from its own cursor.
import { Host } from "./host.js";
import { Member } from "./member.js";

export class LeaderShare {
  #channel = null;
  #hub = null;
  #abort = null;
  #resign = null;

  constructor(name, options, sink) {
    const tell = (state) => sink.state({ ...state, shared: this.#hub ? "leader" : "follower" });
    const link = { say: (message) => this.#say(message), lost: () => this.#hub || this.#campaign({ steal: true }) };
    Object.assign(this, { name, options, sink, member: new Member(options, { ...sink, state: tell }, link) });
  }

  start(cursor) {
    if (this.#channel) return;
    if (!globalThis.navigator?.locks || !globalThis.BroadcastChannel) return this.sink.gone();
    this.member.start(cursor);
    this.#channel = new BroadcastChannel(this.name);
    this.#channel.onmessage = (event) => this.#hear(event);
    this.#campaign();
    this.#say({ ask: "hello" });
  }

  stop(status = "closed") {
    this.#leave();
    this.sink.state({ status });
  }

  wake(changed) {
    this.#say({ ask: "hello" }); // it may have missed something while it slept
    this.#say({ ask: "wake", value: changed });
  }

  offline() {
    this.#say({ ask: "offline" });
  }

  retryNow() {
    this.#say({ ask: "retry" });
  }

  /** What a tab asks goes to the hub, which may be its own. */
  #say(message) {
    if (this.#hub) this.#hub.hear(message, (reply) => this.member.hear({ data: reply }));
    else this.#channel?.postMessage(message);
  }

  #hear(event) {
    if (!this.#hub) return this.member.hear(event); // what other tabs ask says nothing to it
    if (event.data.ask) this.#hub.hear(event.data, (reply) => this.#channel.postMessage(reply));
  }

  /** Waits for the lock, for as long as it takes; with `steal` takes it from a leader that answers no more. */
  async #campaign({ steal } = {}) {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    try {
      await navigator.locks.request(this.name, steal ? { steal } : { signal: abort.signal }, () => this.#lead(abort));
    } catch ({ name }) {
      if (abort.signal.aborted || !this.#channel) return;
      if (name !== "AbortError") return this.#giveUp(); // locks are forbidden here, as where site data is blocked
      this.#stepDown(); // the lock was taken away: follow, and wait for it again
      this.#campaign();
      this.#say({ ask: "hello" });
    }
  }

  #lead(abort) {
    if (abort.signal.aborted || !this.#channel) return null;
    const held = new Promise((resolve) => (this.#resign = resolve));
    this.#hub = new Host(this.options, (message) => {
      this.#channel?.postMessage(message);
      this.member.hear({ data: message });
    });
    this.#hub.start(this.member.cursor);
    this.#channel.postMessage(this.#hub.welcome);
    return held;
  }

  #giveUp() {
    this.#leave();
    this.sink.gone();
  }

  #leave() {
    this.member.stop();
    this.#stepDown();
    this.#abort?.abort();
    this.#channel?.close();
    this.#channel = null;
  }

  #stepDown() {
    const hub = this.#hub;
    this.#hub = null;
    hub?.stop();
    this.#resign?.();
  }
}
