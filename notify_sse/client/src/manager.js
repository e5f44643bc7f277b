// What a page holds: listeners, the cursor that is kept across reloads, and a source of notifications, which is a connection
// of its own or a share in the one of all tabs.
import { Connection } from "./connection.js";
import { cursorKeeper } from "./cursor-keeper.js";
import { watchPage } from "./lifecycle.js";
import { callListeners } from "./listeners.js";

/** @import * as api from "../notify-sse.js" */
/** @import { Frame, ResetData, Source, SourceOptions } from "./types.js" */

/** @satisfies {api.ManagerOptions} */
const DEFAULTS = { url: "/notifications", topics: [], resume: "session", share: "auto" };

/** @type {api.ConnectionState} */
const IDLE = {
  status: "idle",
  reason: null,
  message: "",
  transport: null,
  attempt: 0,
  retryAt: null,
  shared: null,
};

// The names of listeners that are not for notifications. No notification's type has a colon.
const STATE = ":state";
const RESET = ":reset";
const ALL = "*";

/** @implements {api.NotificationConnectionManager<any>} */
export class NotificationConnectionManager {
  /** @type {string | null} */
  cursor = null;
  state = IDLE;
  /** @type {Map<string, Set<(value: any) => unknown>>} */
  #listeners = new Map();
  #keeper;
  /** @type {Source | null} */
  #source = null;
  /** @type {(() => void) | null} */
  #unwatch = null;
  /** Counts the sources. A source that was left, perhaps by what a listener just did, says nothing more. */
  #turn = 0;

  /** @param {api.ManagerOptions} [options] */
  constructor(options = {}) {
    const { url, ...chosen } = { ...DEFAULTS, ...withoutUndefined(options) };
    // Where a server renders there is no base, and nothing is asked.
    const base = globalThis.document?.baseURI ?? globalThis.location?.href ?? "http://localhost";
    /** @type {SourceOptions} */
    this.options = { ...chosen, url: new URL(url, base).href.replace(/\/$/, "") };
    const { resume, user = "", cursor } = chosen;
    this.#keeper = cursorKeeper(resume, `notify-sse:${this.options.url}:${user}`);
    this.cursor = cursor ?? this.#keeper.load();
  }

  /** Opens the stream and keeps it open, until `close()`. */
  connect() {
    if (this.#unwatch) return this;
    this.#unwatch = watchPage({
      pause: () => {
        this.#source?.stop("paused");
        this.#keeper.write();
      },
      resume: () => this.#source?.start(this.cursor),
      wake: (changed) => this.#source?.wake(changed),
      offline: () => this.#source?.offline(),
    });
    this.#begin();
    return this;
  }

  /** Ends the stream. `connect()` goes on from the same cursor. */
  close() {
    this.#unwatch?.();
    this.#unwatch = null;
    this.#leave();
    this.#keeper.write();
    if (!["idle", "closed"].includes(this.state.status)) this.#tellState({ status: "closed" });
  }

  /** Tries now, whether it waits for the next try or has given up. */
  retryNow() {
    this.#source?.retryNow();
  }

  /**
   * Calls `listener` for each notification of `type`, or for all with `"*"`. Returns the function that ends that.
   *
   * @param {string} type
   * @param {(value: any) => unknown} listener
   */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  /** @param {(notification: api.Notification) => unknown} listener */
  onAll(listener) {
    return this.on(ALL, listener);
  }

  /** @param {(state: api.ConnectionState) => unknown} listener */
  onState(listener) {
    return this.on(STATE, listener);
  }

  /**
   * What lay between may be lost. `items` of the reset are the newest that are stored, or null.
   *
   * @param {(reset: api.Reset) => unknown} listener
   */
  onReset(listener) {
    return this.on(RESET, listener);
  }

  /**
   * Reads these granted topics from now on, beside the user's own notifications.
   *
   * @param {readonly string[]} topics
   */
  setTopics(topics) {
    this.options.topics = [...topics];
    if (!this.#unwatch) return;
    this.#leave();
    this.#begin();
  }

  /**
   * A page of what is stored, newest first.
   *
   * @param {api.HistoryQuery} [query]
   */
  async history(query) {
    const { readHistory } = await import("./history.js");
    return readHistory(this.options, query);
  }

  async #begin() {
    this.#turn += 1;
    const turn = this.#turn;
    const Chosen = await this.#chooseSource();
    if (turn !== this.#turn) return;
    this.#source = new Chosen(this.options, {
      state: (state) => turn === this.#turn && this.#tellState(state),
      frame: (frame) => turn === this.#turn && this.#takeFrame(frame),
      reset: (reset) => turn === this.#turn && this.#tellReset(reset, turn),
    });
    this.#source.start(this.cursor);
  }

  /** Tabs share only what is known to be the same user's: one tab must never see what another tab's token is for. */
  async #chooseSource() {
    const { share, user } = this.options;
    if (share === "none" || !user) return Connection;
    try {
      const { SharedConnection } = await import("./tabs/share.js");
      return SharedConnection;
    } catch {
      return Connection; // the module could not be loaded
    }
  }

  #leave() {
    this.#turn += 1;
    const source = this.#source;
    this.#source = null;
    source?.stop();
  }

  /** @param {Partial<api.ConnectionState>} state */
  #tellState(state) {
    this.state = { ...IDLE, ...state };
    this.#emit(STATE, this.state);
  }

  /** @param {Frame} frame */
  #takeFrame({ event, id, data }) {
    this.#keep(id);
    if (event !== "message") return;
    data.cursor = id;
    this.#emit(data.notification_type, data);
    this.#emit(ALL, data);
  }

  /**
   * @param {ResetData} reset
   * @param {number} turn
   */
  async #tellReset(reset, turn) {
    this.#keep(reset.to);
    const page = await this.history().catch(() => null);
    if (turn === this.#turn) this.#emit(RESET, { ...reset, items: page?.items ?? null });
  }

  /** @param {string} cursor */
  #keep(cursor) {
    this.cursor = cursor;
    this.#keeper.save(cursor);
  }

  /**
   * @param {string} type
   * @param {unknown} value
   */
  #emit(type, value) {
    callListeners(this.#listeners.get(type) ?? [], value);
  }
}

/**
 * An option that is given as undefined is not given: it must not hide its default.
 *
 * @param {api.ManagerOptions} options
 * @returns {api.ManagerOptions}
 */
function withoutUndefined(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
