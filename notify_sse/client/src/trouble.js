// What to do when streams end: whether the transport is to blame, what to tell, when to try again and by what.
import { findCause } from "./cause.js";
import { isSuspectAfter, livedMsUntil } from "./ends.js";
import { messageFor, next } from "./policy.js";
import { Swaps } from "./swaps.js";

/** @import { TokenReason } from "../notify-sse.js" */
/** @import { Stream } from "./stream.js" */
/** @import { End, Fact, Rules } from "./types.js" */

/**
 * @typedef {object} Host The connection in trouble.
 * @property {(fact: Fact) => void} apply
 * @property {() => void} connect
 * @property {(why: TokenReason, level: number) => void} swap
 * @property {() => number} turn counts how often all streams were given up
 * @property {{ readonly cursor: string | null, readonly recipient: string | null }} known
 * @property {(cursor: string) => void} begin from this cursor
 */

export class Trouble {
  next = next;
  messageFor = messageFor;
  #levels;
  #host;

  /**
   * @param {Rules} rules
   * @param {Host} host
   */
  constructor(rules, host) {
    this.#levels = rules.levels;
    this.#host = host;
    this.swaps = new Swaps(rules, host.swap);
  }

  /** The stream that was opened is another user's. */
  onOtherUser() {
    this.#host.apply({ kind: "down", end: { reason: "other_user" }, atFault: false, livedMs: 0, online: true });
  }

  /**
   * A swap failed. The first stream lives on, and the swap is tried again.
   *
   * @param {Stream} stream
   * @param {End} end
   */
  async onSpareEnd(stream, end) {
    const why = /** @type {TokenReason} */ (stream.why);
    if (why === "fallback") {
      if (stream.level + 1 < this.#levels) this.#host.swap(why, stream.level + 1);
      return;
    }
    const turn = this.#host.turn();
    this.swaps.onFailed(why, stream.level);
    if (why === "upgrade") return;
    const { atFault, ...found } = await findCause(stream, end, false);
    const known = { ...end, ...found };
    if (turn === this.#host.turn() && known.reason === "unauthorized")
      this.#host.apply({ kind: "refused", end: known });
  }

  /**
   * The only stream ended, or could not be opened.
   *
   * @param {Stream} stream
   * @param {End} end
   */
  async onLastEnd(stream, end) {
    if (end.reason === "crowded") {
      this.#host.apply({ kind: "crowded" });
      this.#host.connect();
      return;
    }
    const turn = this.#host.turn();
    this.swaps.cancel();
    const livedMs = livedMsUntil(stream, end);
    const isSuspect = isSuspectAfter(livedMs, end);
    // To find out why takes a while. The page is told before.
    if (stream.isUp && isSuspect) this.#host.apply({ kind: "try", reason: end.reason });
    const { cursor, recipient, ...found } = await findCause(stream, end, isSuspect);
    if (turn !== this.#host.turn()) return;
    // The first answer of any kind is a place to go on from.
    const { known } = this.#host;
    if (cursor && !known.cursor && isOf(known.recipient, recipient)) this.#host.begin(cursor);
    const { atFault, isHopeless, isUnreached, ...words } = found;
    const online = globalThis.navigator?.onLine ?? true;
    this.#host.apply({ kind: "down", end: { ...end, ...words }, atFault, isHopeless, isUnreached, livedMs, online });
  }
}

/**
 * Whether an answer is the user's.
 *
 * @param {string | null} ours
 * @param {string} [theirs] a service of an earlier version does not say
 */
function isOf(ours, theirs = ours ?? undefined) {
  return !ours || ours === theirs;
}
