// The read state: what the user has read on any device, and how much not, as the service counts it. Where the service does not keep
// it (it is an older one, or has it switched off), `unread` stays null, and the page counts for itself.

import { readAnswer } from "./answers.js";
import { isAfter, isOfSameLog } from "./cursor.js";
import { HistoryError } from "./errors.js";
import { callListeners } from "./listeners.js";
import { buildUrl, fetchOptions, timeLimit } from "./request.js";

/** @import { Marking, NotificationConnectionManager, ReadMark } from "../notify-sse.js" */
/** @import { SourceOptions } from "./types.js" */

/** @typedef {Pick<ReadMark, "upto" | "ids" | "read">} PageMark */

const TIMEOUT_MS = 15000;
/** How often the count is asked for again when notifications came while it was. */
const MAX_ASKED = 5;
/** The first and the longest wait until it is asked for again, when there was no answer, or too much came meanwhile. */
const AGAIN_MS = 1000;
const MAX_AGAIN_MS = 60000;
const NOT_KEPT = 404;
/** As of which cursor the service counted. A client may be behind it: what comes up to there is counted already. */
const AS_OF = "notify-sse-cursor";

/**
 * One for each manager. A manager may stand behind a proxy, its own methods do not.
 *
 * @type {WeakMap<object, ReadState>}
 */
const known = new WeakMap();

/** @param {NotificationConnectionManager<any>} manager */
export function readStateOf(manager) {
  const found = known.get(manager.onAll) ?? new ReadState(manager);
  known.set(manager.onAll, found);
  return found;
}

export class ReadState {
  /**
   * How many are unread; null where the service does not keep that.
   *
   * @type {number | null}
   */
  unread = null;
  /**
   * Up to which cursor what arrives is counted already.
   *
   * @type {string | null}
   */
  #countedUpto = null;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /**
   * Of which stream the count was taken.
   *
   * @type {string | null}
   */
  #countedFor = null;
  /** @type {Set<(mark: PageMark) => void>} */
  #views = new Set();
  /** What the stream said when it was opened is long ago. */
  #isLate = false;
  /** @type {((() => void) | undefined)[]} */
  #unsubscribes = [];
  /** Counts what changes the number, so that an answer that was overtaken is noticed. */
  #changes = 0;
  /**
   * A question for the number that is under way.
   *
   * @type {Promise<boolean> | null}
   */
  #asking = null;
  /** Questions in a row that gave no number. */
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #manager;

  /** @param {NotificationConnectionManager<any>} manager */
  constructor(manager) {
    this.#manager = manager;
  }

  /**
   * Calls `listener` when the number changes. Returns what ends that. It follows the manager while somebody listens.
   *
   * @param {() => void} listener
   */
  subscribe(listener) {
    if (!this.#listeners.size) this.#follow();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (!this.#listeners.size) this.#leave();
    };
  }

  /**
   * Calls `listener` with each mark that another view of this page makes. Returns what ends that.
   *
   * @param {(mark: PageMark) => void} listener
   */
  onPageMark(listener) {
    this.#views.add(listener);
    return () => {
      this.#views.delete(listener);
    };
  }

  /**
   * A view marks something. The others show it too, at once and where the service keeps nothing.
   *
   * @param {PageMark} mark
   * @param {(mark: PageMark) => void} [from] the view's own listener
   */
  tellViews(mark, from) {
    callListeners(
      [...this.#views].filter((listener) => listener !== from),
      mark,
    );
  }

  #follow() {
    const manager = this.#manager;
    this.#unsubscribes = [
      manager.onState(() => this.#onState()),
      manager.onAll((item) => this.#onItem(item)),
      manager.onRead?.((mark) => this.#onRead(mark)),
      manager.onRecalled?.(() => this.#onRecalled()),
      manager.onSignOut(() => this.#forget()),
    ];
    this.#isLate = manager.state.status === "connected";
    this.#onState();
  }

  #leave() {
    for (const unsubscribe of this.#unsubscribes) unsubscribe?.();
    this.#unsubscribes = [];
    this.#forget();
  }

  #onState() {
    const { status, connectionId = null, unread = null, unreadUpto = null, shared, transport } = this.#manager.state;
    if (status !== "connected") {
      if (status !== "reconnecting") this.#countedFor = null;
      return;
    }
    const stream = connectionId ?? transport;
    if (stream === this.#countedFor) return;
    this.#countedFor = stream;
    // What a shared stream said when it was opened may be long ago, and a long poll does not say it.
    if (this.#isLate || shared || transport === "longpoll") this.#refresh();
    else this.#set(unread, unreadUpto);
    this.#isLate = false;
  }

  /** @param {import("../notify-sse.js").Notification} item */
  #onItem({ cursor, recipient_id: recipient, silent, initial }) {
    if (initial) return;
    this.#changes += 1;
    if (this.unread === null || !recipient || silent || this.#isCounted(cursor)) return;
    this.#set(this.unread + 1, cursor);
  }

  /** @param {ReadMark} mark */
  #onRead({ unread, cursor }) {
    this.#changes += 1;
    if (!this.#isCounted(cursor) || this.unread === null) this.#set(unread, cursor);
  }

  /**
   * What is of another log than the one that was counted is not.
   *
   * @param {string} cursor
   */
  #isCounted(cursor) {
    const upto = this.#countedUpto;
    return upto !== null && isOfSameLog(cursor, upto) && !isAfter(cursor, upto);
  }

  #onRecalled() {
    this.#changes += 1;
    if (this.unread !== null) this.#refresh(); // whether it had been read is not said
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#asking = null;
    this.#failures = 0;
    this.#countedFor = null;
    this.#changes += 1;
    this.#set(null, null);
  }

  /**
   * @param {number | null} unread
   * @param {string | null} upto
   */
  #set(unread, upto) {
    const isNew = unread !== this.unread;
    this.unread = unread;
    this.#countedUpto = upto;
    if (isNew) callListeners(this.#listeners);
  }

  /** The number, asked for when no stream has said it yet; null where the service does not keep it. */
  async load() {
    const { status, shared, transport } = this.#manager.state;
    const isSaid = status === "connected" && !shared && transport !== "longpoll";
    if (this.unread === null && !isSaid) await this.#refresh();
    return this.unread;
  }

  /** Many changes make one question. */
  #refresh() {
    const asking = this.#asking ?? this.#ask();
    this.#asking = asking;
    asking.then((isKnown) => {
      if (this.#asking !== asking) return; // somebody else has signed in
      this.#asking = null;
      this.#failures = isKnown ? 0 : this.#failures + 1;
      if (isKnown || !this.#listeners.size) return;
      const delayMs = Math.min(MAX_AGAIN_MS, AGAIN_MS * 2 ** this.#failures);
      this.#timer = setTimeout(() => this.#refresh(), delayMs);
    });
    clearTimeout(this.#timer);
    return asking;
  }

  /**
   * Whether all that has come is of before `upto`.
   *
   * @param {string} upto
   */
  #isBehind(upto) {
    const { cursor } = this.#manager;
    return cursor !== null && isOfSameLog(cursor, upto) && !isAfter(cursor, upto);
  }

  /**
   * Asks for the number until nothing came meanwhile that may be counted in it, or not. Whether it is known then.
   */
  async #ask() {
    const { signOuts } = this.#manager;
    for (let asked = 0; asked < MAX_ASKED; asked += 1) {
      const before = this.#changes;
      const answer = await ask(this.#manager, "unread").catch(() => undefined);
      if (signOuts !== this.#manager.signOuts) return true;
      if (answer === undefined) return false;
      if (before === this.#changes || (answer?.asOf && this.#isBehind(answer.asOf))) {
        this.#set(answer?.unread ?? null, answer?.asOf ?? this.#manager.cursor);
        return true;
      }
    }
    return false;
  }
}

/**
 * Marks notifications as read, on all devices of the user. Returns how many are unread then; null where the service does not keep it.
 *
 * @param {NotificationConnectionManager<any>} manager
 * @param {Marking} what
 */
export async function markRead(manager, what) {
  const answer = await ask(manager, "read", bodyOf(what));
  return answer?.unread ?? null;
}

/** @param {Marking} what */
function bodyOf(what) {
  if (typeof what === "string") return { upto: what };
  return Array.isArray(what) ? { ids: what, read: true } : what;
}

/**
 * What the service answers; null where it has no such route.
 *
 * @param {{ options: SourceOptions }} manager
 * @param {string} path
 * @param {object} [body] of a POST
 * @returns {Promise<{ unread: number, asOf: string | null } | null>}
 */
async function ask({ options }, path, body) {
  const { url, withCredentials, getToken } = options;
  const token = await getToken?.({ reason: "history" });
  const { headers, ...rest } = fetchOptions({ token, withCredentials });
  const answer = await fetch(buildUrl(url, path, {}), {
    ...rest,
    ...(body && { method: "POST", body: JSON.stringify(body), keepalive: true }),
    headers: body ? { ...headers, "content-type": "application/json" } : headers,
    signal: timeLimit(TIMEOUT_MS),
  });
  if (answer.status === NOT_KEPT) return null;
  if (!answer.ok) throw new HistoryError(answer.status, await readAnswer(answer));
  return { ...(await answer.json()), asOf: answer.headers.get(AS_OF) };
}
