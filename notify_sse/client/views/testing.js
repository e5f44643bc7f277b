// `notify-sse/testing`: a manager for unit tests, turned by hand. No network, no timers.

/** @import { ConnectionState, HistoryPage, Marking, NewUser, Notification, NotificationFailure, Reset } from "../notify-sse.js" */
/** @import { Given } from "./testing.js" */

/** @type {ConnectionState} */
const IDLE = {
  status: "idle",
  reason: null,
  message: "",
  transport: null,
  attempt: 0,
  retryAt: null,
  shared: null,
  recipient: null,
  error: null,
  connectionId: null,
  unread: null,
  unreadUpto: null,
};

/** What a real manager does, done by a test: `manager.receive({ notification_type: "x", payload: {} })`. */
class FakeNotificationManager {
  /** @type {string | null} */
  cursor = null;
  /** @type {string | null} */
  recipient = null;
  signOuts = 0;
  state = IDLE;
  options = { url: "http://localhost/notifications" };
  /**
   * What is stored, newest first: `history()` answers with it.
   *
   * @type {Notification[]}
   */
  stored = [];
  /**
   * What was asked of it, in order.
   *
   * @type {[name: string, ...given: unknown[]][]}
   */
  calls = [];
  /** @type {Map<string, Set<(value: any) => unknown>>} */
  #listeners = new Map();
  #position = 0;

  connect = () => {
    this.calls.push(["connect"]);
    this.setState({ status: "connected", transport: "eventsource" });
    return this;
  };

  close = () => {
    this.calls.push(["close"]);
    this.setState({ status: "closed", transport: null });
  };

  signOut = () => {
    this.calls.push(["signOut"]);
    this.signOuts += 1;
    this.cursor = this.recipient = null;
    this.stored = [];
    this.#emit(":signout", undefined);
    this.setState({ status: "closed", recipient: null });
  };

  switchUser = (/** @type {NewUser} */ who = {}) => {
    this.signOut();
    this.calls.push(["switchUser", who]);
    return this.connect();
  };

  retryNow = () => {
    this.calls.push(["retryNow"]);
  };

  setTopics = (/** @type {readonly string[]} */ topics) => {
    this.calls.push(["setTopics", topics]);
  };

  markRead = async (/** @type {Marking} */ what) => {
    this.calls.push(["markRead", what]);
    return null;
  };

  /** @returns {Promise<HistoryPage>} */
  history = async (query = {}) => {
    this.calls.push(["history", query]);
    const { limit = 50, before, type } = /** @type {import("../notify-sse.js").HistoryQuery} */ (query);
    const from = before ? this.stored.findIndex(({ cursor }) => cursor === before) + 1 : 0;
    const found = this.stored.slice(from).filter((item) => !type || item.notification_type === type);
    const items = found.slice(0, limit);
    return {
      items,
      cursor: this.cursor ?? "test.0",
      more: found.length > limit,
      reset: null,
      next: async () => (found.length > limit ? this.history({ ...query, before: items.at(-1)?.cursor }) : null),
    };
  };

  on = (/** @type {string} */ type, /** @type {(value: any) => unknown} */ listener) => {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => {
      listeners.delete(listener);
    };
  };

  /** @param {(value: any) => unknown} listener */
  onAll = (listener) => this.on("*", listener);
  /** @param {(value: ConnectionState) => unknown} listener */
  onState = (listener) => this.on(":state", listener);
  /** @param {(value: Reset) => unknown} listener */
  onReset = (listener) => this.on(":reset", listener);
  /** @param {(value: NotificationFailure) => unknown} listener */
  onError = (listener) => this.on(":error", listener);
  /** @param {(value: any) => unknown} listener */
  onRead = (listener) => this.on(":read", listener);
  /** @param {(value: any) => unknown} listener */
  onRecalled = (listener) => this.on(":recalled", listener);
  /** @param {() => unknown} listener */
  onSignOut = (listener) => this.on(":signout", listener);

  /**
   * A notification arrives. What is not given is made up. Returns it as listeners got it.
   *
   * @param {Given} [given]
   * @returns {Notification}
   */
  receive = (given = {}) => {
    this.#position += 1;
    this.cursor = `test.${this.#position}`;
    const item = /** @type {Notification} */ ({
      notification_id: `test-${this.#position}`,
      notification_type: "test",
      recipient_id: this.recipient ?? "test-user",
      timestamp: new Date(0).toISOString(),
      payload: {},
      ...given,
      cursor: this.cursor,
    });
    this.stored.unshift(item);
    this.#emit(item.notification_type, item);
    this.#emit("*", item);
    return item;
  };

  /**
   * The user has read something on another device.
   *
   * @param {{ upto?: string, ids?: string[], read?: boolean, unread?: number }} mark
   */
  receiveRead = ({ upto, ids, read = true, unread = 0 }) => {
    this.#position += 1;
    this.cursor = `test.${this.#position}`;
    this.#emit(":read", { upto: upto ?? null, ids: ids ?? null, read, unread, cursor: this.cursor });
  };

  /** @param {string} id of the notification that is taken back */
  recall = (id) => {
    this.#position += 1;
    this.cursor = `test.${this.#position}`;
    this.stored = this.stored.filter((item) => item.notification_id !== id);
    this.#emit(":recalled", { notification_id: id, cursor: this.cursor });
  };

  /** @param {Partial<Reset>} [reset] */
  reset = (reset = {}) => {
    this.#emit(":reset", { reason: "expired", from: null, to: this.cursor, history: "", items: this.stored, ...reset });
  };

  /** @param {Partial<NotificationFailure>} [error] */
  fail = (error = {}) => {
    const failure = { code: "network", status: null, detail: null, cause: null, ...error };
    this.setState({ status: "reconnecting", reason: failure.code, error: failure });
    this.#emit(":error", failure);
  };

  /** @param {Partial<ConnectionState>} state */
  setState = (state) => {
    this.state = { ...this.state, error: null, ...state };
    this.recipient = this.state.recipient;
    this.#emit(":state", this.state);
  };

  /**
   * @param {string} type
   * @param {unknown} value
   */
  #emit(type, value) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) listener(value);
  }
}

/**
 * A manager for unit tests. Give it wherever a manager is wanted.
 *
 * @type {typeof import("./testing.js").createFakeManager}
 */
export function createFakeManager({ stored = [], recipient = "test-user" } = {}) {
  const manager = new FakeNotificationManager();
  for (const given of [...stored].reverse()) manager.receive(given);
  manager.setState({ ...IDLE, recipient });
  return /** @type {any} */ (manager);
}
