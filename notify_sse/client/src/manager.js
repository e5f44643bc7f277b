// What a page holds: listeners, the cursor that is kept across reloads, and a source of notifications, which is a connection
// of its own or a share in the one of all tabs.

import { bindMethods } from "./bind.js";
import { Connection } from "./connection.js";
import { cursorKeeper } from "./cursor-keeper.js";
import { isNews } from "./errors.js";
import { IDLE } from "./idle.js";
import { inTime } from "./in-time.js";
import { watchPage } from "./lifecycle.js";
import { callListeners } from "./listeners.js";
import { checkOptions, completeOptions } from "./options.js";
import { rememberedTransport, rememberTransport } from "./remembered.js";

/** @import * as api from "../notify-sse.js" */
/** @import { Frame, ResetData, Source, SourceOptions } from "./types.js" */

// The names of listeners that are not for notifications. No notification's type has a colon.
const STATE = ":state";
const RESET = ":reset";
const SIGN_OUT = ":signout";
const ALL = "*";

/** @implements {api.NotificationConnectionManager<any>} */
export class NotificationConnectionManager {
  /** @type {string | null} */
  cursor = null;
  /** @type {string | null} */
  recipient = null;
  signOuts = 0;
  state = IDLE;
  /** @type {Map<string, Set<(value: any) => unknown>>} */
  #listeners = new Map();
  #keeper = /** @type {ReturnType<typeof cursorKeeper>} */ (/** @type {unknown} */ (null));
  /** Whose the kept cursor is. @type {string | null} */
  #cursorOf = null;
  /** @type {Source | null} */
  #source = null;
  /** @type {(() => void) | null} */
  #unwatch = null;
  /** The newest stored notifications were handed over, and the stream goes on from there. @type {string | null} */
  #begunAt = null;
  /** Where the first stream of this user began: what is stored up to there does not come by it. @type {string | null} */
  #from = null;
  /** Counts the sources. A source that was left, perhaps by what a listener just did, says nothing more. */
  #turn = 0;
  /** The browser said that there is no network: a source that begins now is told so. */
  #isOffline = false;

  /** @param {api.ManagerOptions} [options] */
  constructor(options = {}) {
    bindMethods(this, NotificationConnectionManager);
    /** @type {SourceOptions} */
    this.options = completeOptions(options);
    this.#openKeeper(options.cursor);
    if (options.debug) import("./debug.js").then(({ logTo }) => logTo(console, this));
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
      wake: (changed) => {
        this.#isOffline &&= !changed;
        this.#source?.wake(changed);
      },
      offline: () => {
        this.#isOffline = true;
        this.#source?.offline();
      },
    });
    this.#begin();
    return this;
  }

  /** Ends the stream. `connect()` goes on from the same cursor. */
  close() {
    this.#end();
    this.#keeper.write();
    this.#tellClosed();
  }

  /** Ends the stream, and forgets all that is known of the user, here and in the storage. */
  signOut() {
    this.#forget();
    this.#emit(SIGN_OUT, undefined);
    this.#tellClosed();
  }

  /**
   * Signs out, and goes on as another user; connected when it was before.
   * @param {api.NewUser} [who] without `getToken` the session cookie says who it is
   */
  switchUser({ user, getToken } = {}) {
    const wasOpen = this.#unwatch !== null;
    this.#forget();
    this.options = { ...this.options, user: undefined, getToken: undefined, ...checkOptions({ user, getToken }) };
    this.#openKeeper();
    this.#emit(SIGN_OUT, undefined);
    this.#tellClosed();
    return wasOpen ? this.connect() : this;
  }

  /** Tries now, whether it waits for the next try or has given up. */
  retryNow() {
    this.#source?.retryNow();
  }

  /**
   * Calls `listener` for each notification of `type`, or for all with `"*"`. Returns the function that ends that.
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

  /** @param {(notification: any) => unknown} listener */
  onAll(listener) {
    return this.on(ALL, listener);
  }

  /** @param {(state: api.ConnectionState) => unknown} listener */
  onState(listener) {
    return this.on(STATE, listener);
  }

  /**
   * What lay between may be lost. `items` of the reset are the newest that are stored, or null.
   * @param {(reset: api.Reset) => unknown} listener
   */
  onReset(listener) {
    return this.on(RESET, listener);
  }

  /** Something went wrong. It goes on trying, unless it is `failed`. @param {(error: api.NotificationFailure) => unknown} listener */
  onError(listener) {
    return this.on(":error", listener);
  }

  /** The user has read something, here or on another device. @param {(mark: api.ReadMark) => unknown} listener */
  onRead(listener) {
    return this.on(":read", listener);
  }

  /** A notification was taken back: show it no more. @param {(recalled: api.Recalled) => unknown} listener */
  onRecalled(listener) {
    return this.on(":recalled", listener);
  }

  /** Marks as read on all devices: all up to a cursor, or single ones by their ids. @param {api.Marking} what */
  async markRead(what) {
    const { markRead } = await import("./read-state.js");
    return markRead(this, what);
  }

  /** Nothing of the user may be shown any more. @param {() => unknown} listener */
  onSignOut(listener) {
    return this.on(SIGN_OUT, listener);
  }

  /** Reads these granted topics from now on, beside the user's own notifications. @param {readonly string[]} topics */
  setTopics(topics) {
    this.options.topics = [...topics];
    if (!this.#unwatch) return;
    this.#leave();
    this.#begin();
  }

  /** A page of what is stored, newest first. @param {api.HistoryQuery} [query] */
  async history(query) {
    const { signOuts } = this;
    const { readOwnHistory } = await import("./history.js");
    return readOwnHistory(this, signOuts, query);
  }

  /** Opens what keeps this user's cursor. @param {string} [given] the cursor to go on from, in place of the kept one */
  #openKeeper(given) {
    const { resume, url, user = "" } = this.options;
    this.#keeper = cursorKeeper(resume, `notify-sse:${url}:${user}`);
    const { cursor, recipient = null } = given ? { cursor: given } : this.#keeper.load();
    this.cursor = cursor;
    this.#cursorOf = recipient;
  }

  async #begin() {
    this.#turn += 1;
    const turn = this.#turn;
    const Chosen = await this.#chooseSource();
    const cursor = await this.#beginWithStored();
    if (turn !== this.#turn) return;
    if (cursor) {
      this.#keep(cursor);
      this.#cursorOf = null; // it is this user's
    }
    const first = rememberedTransport(this.options.url);
    const options = { ...this.options, recipient: this.recipient, cursorOf: this.#cursorOf, first };
    this.#source = new Chosen(options, {
      state: (state) => turn === this.#turn && this.#tellState(state),
      frame: (frame) => turn === this.#turn && this.#takeFrame(frame),
      reset: (reset) => turn === this.#turn && this.#tellReset(reset, turn),
    });
    this.#source.start(this.cursor);
    if (this.#isOffline) this.#source.offline();
  }

  /**
   * The newest stored notifications come first, once for each user; then the stream. What cannot be had in time comes once there is
   * a connection. Returns where the stream goes on.
   *
   * @param {number} [limitMs]
   */
  async #beginWithStored(limitMs) {
    this.#from ??= this.cursor;
    if (!this.options.initial || this.#begunAt) return null;
    const load = () => import("./initial.js");
    const reading = load()
      .catch(load)
      .then(({ readInitial }) => readInitial(this));
    const handOver = await inTime(reading, limitMs);
    if (handOver && !this.#begunAt) this.#begunAt = handOver(this.#from, this.#cursorOf, (item) => this.#tell(item));
    return this.#begunAt;
  }

  /** Tabs share only what is known to be the same user's: one tab must never see what another tab's token is for. */
  async #chooseSource() {
    const { share, user } = this.options;
    if (share === "none" || !user) return Connection;
    const loaded = await inTime(import("./tabs/share.js"));
    return loaded?.SharedConnection ?? Connection;
  }

  #end() {
    this.#unwatch?.();
    this.#unwatch = null;
    this.#leave();
  }

  #forget() {
    this.#end();
    this.#keeper.forget();
    this.cursor = this.recipient = this.#cursorOf = this.#from = this.#begunAt = null;
    this.signOuts += 1;
  }

  #tellClosed() {
    if (this.#unwatch) return; // a listener has connected it again
    if (!["idle", "closed"].includes(this.state.status) || this.state.recipient !== this.recipient) {
      this.#tellState({ status: "closed" });
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
    const before = this.state;
    this.recipient = state.recipient ?? this.recipient;
    this.state = { ...IDLE, ...state, recipient: this.recipient };
    const { error, status, transport, reason, attempt } = this.state;
    const { url, transport: chosen = "auto" } = this.options;
    // One that was chosen is nothing to remember, and neither is one that is used only for want of room.
    if (status === "connected") {
      if (chosen === "auto" && !reason) rememberTransport(url, transport);
      this.#beginWithStored(1e9);
    }
    if (error && isNews(error, before.error, attempt !== before.attempt)) this.#emit(":error", error);
    this.#emit(STATE, this.state);
  }

  /** @param {Frame} frame */
  #takeFrame({ event, id, data }) {
    this.#keep(id);
    const told = { ...data, cursor: id };
    if (event === "message") this.#tell(told);
    else this.#emit(`:${event}`, told);
  }

  /** @param {api.Notification} item */
  #tell(item) {
    this.#emit(item.notification_type, item);
    this.#emit(ALL, item);
  }

  /** @param {ResetData} reset @param {number} turn */
  async #tellReset(reset, turn) {
    this.#keep(reset.to);
    const page = await this.history().catch(() => null);
    if (turn === this.#turn) this.#emit(RESET, { ...reset, items: page?.items ?? null });
  }

  /** @param {string} cursor */
  #keep(cursor) {
    this.cursor = cursor;
    this.#from ??= cursor;
    this.#keeper.save(cursor, this.recipient);
  }

  /** @param {string} type @param {unknown} value */
  #emit(type, value) {
    callListeners(this.#listeners.get(type) ?? [], value);
  }
}
