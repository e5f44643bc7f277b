// What a page holds: listeners, the cursor kept across reloads, and a source of notifications: a connection of its own
// or a share in one of all tabs.
import { Connection } from "./connection.js";
import { cursorKeeper } from "./cursor-keeper.js";
import { watchPage } from "./lifecycle.js";
import { callListeners } from "./listeners.js";

const DEFAULTS = { url: "/notifications", topics: [], resume: "session", share: "auto" };
const IDLE = { status: "idle", reason: null, message: "", transport: null, attempt: 0, retryAt: null, shared: null };

export class NotificationConnectionManager {
  cursor = null;
  state = IDLE;
  #listeners = new Map();
  #keeper;
  #source = null;
  #unwatch = null;
  #turn = 0;

  constructor(options = {}) {
    this.options = { ...DEFAULTS, ...options };
    const { url, resume, user = "", cursor } = this.options;
    // Where a server renders there is no base, and nothing is asked.
    const base = globalThis.document?.baseURI ?? globalThis.location?.href ?? "http://localhost";
    this.options.url = new URL(url, base).href.replace(/\/$/, "");
    this.#keeper = cursorKeeper(resume, `notify-sse:${this.options.url}:${user}`);
    this.cursor = cursor ?? this.#keeper.load();
  }

  /** Opens the stream and keeps it open, until `close()`. */
  connect() {
    if (this.#unwatch) return this;
    this.#unwatch = watchPage({
      pause: () => (this.#source?.stop("paused"), this.#keeper.write()),
      resume: () => this.#source?.start(this.cursor),
      wake: (changed) => this.#source?.wake(changed),
      offline: () => this.#source?.offline(),
    });
    this.#begin();
    return this;
  }

  /** `connect()` goes on from the same cursor. */
  close() {
    this.#unwatch?.();
    this.#unwatch = null;
    this.#leave();
    this.#keeper.write();
    if (!["idle", "closed"].includes(this.state.status)) this.#tell({ status: "closed" });
  }

  /** Tries now, whether it waits for the next try or has given up. */
  retryNow() {
    this.#source?.retryNow();
  }

  /** Calls `listener(notification)` for each of `type`, or for all with `"*"`. Returns what ends that. */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  onAll(listener) {
    return this.on("*", listener);
  }

  onState(listener) {
    return this.on(":state", listener); // no notification's type has a colon
  }

  /** What lay between may be lost: `{reason, from, to, items}`, `items` being the newest that are stored, or null. */
  onReset(listener) {
    return this.on(":reset", listener);
  }

  /** Reads these granted topics from now on, beside the user's own notifications. */
  setTopics(topics) {
    this.options.topics = [...topics];
    if (!this.#unwatch) return;
    this.#leave();
    this.#begin();
  }

  /** A page of what is stored, newest first: `{items, cursor, more, reset, next()}`. */
  async history(query) {
    const { readHistory } = await import("./history.js");
    return readHistory(this.options, query);
  }

  async #begin() {
    const turn = ++this.#turn;
    const { share, user } = this.options;
    // Tabs share only what is known to be the same user's: one tab must never see what another's token is for.
    const shared = share !== "none" && user && (await import("./tabs/share.js").catch(() => null));
    if (turn !== this.#turn) return;
    // A source that was left, perhaps by what a listener just did, says nothing more.
    const whileIn = (act) => (value) => turn === this.#turn && act(value);
    this.#source = new (shared ? shared.SharedConnection : Connection)(this.options, {
      state: whileIn((state) => this.#tell(state)),
      frame: whileIn((frame) => this.#take(frame)),
      reset: whileIn((data) => this.#reset(data, turn)),
    });
    this.#source.start(this.cursor);
  }

  #leave() {
    this.#turn++;
    const source = this.#source;
    this.#source = null;
    source?.stop();
  }

  #tell(state) {
    this.#emit(":state", (this.state = { ...IDLE, ...state }));
  }

  #take({ event, id, data }) {
    this.#keep(id);
    if (event !== "message") return;
    data.cursor = id;
    this.#emit(data.notification_type, data);
    this.#emit("*", data);
  }

  async #reset(data, turn) {
    this.#keep(data.to);
    const page = await this.history().catch(() => null);
    if (turn === this.#turn) this.#emit(":reset", { ...data, items: page?.items ?? null });
  }

  #keep(cursor) {
    this.cursor = cursor;
    this.#keeper.save(cursor);
  }

  #emit(type, value) {
    callListeners(this.#listeners.get(type) ?? [], value);
  }
}
