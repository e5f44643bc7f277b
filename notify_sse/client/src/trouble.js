// What to do when streams end: whether the transport is to blame, what to tell, when to try again and by what.
import { findCause } from "./cause.js";
import { isSuspectAfter, livedMsUntil } from "./ends.js";
import { messageFor, next } from "./policy.js";
import { endFor } from "./request.js";
import { Swaps } from "./swaps.js";

/** @import { TokenReason } from "../notify-sse.js" */
/** @import { Stream } from "./stream.js" */
/** @import { End, Fact, Rules, StreamEnd } from "./types.js" */

/**
 * @typedef {object} Host The connection in trouble.
 * @property {(fact: Fact) => void} apply
 * @property {() => void} connect
 * @property {(why: TokenReason, level: number) => void} swap
 * @property {() => Stream | null} spare is about to take over
 * @property {() => number} turn counts how often all streams were given up
 * @property {{ readonly cursor: string | null, readonly recipient: string | null }} known
 * @property {(cursor: string) => void} begin from this cursor
 */

export class Trouble {
  next = next;
  messageFor = messageFor;
  /**
   * Whose token nears its end.
   *
   * @type {(Stream & StreamEnd) | null}
   */
  #expiring = null;
  /** When a stream was brought a new token the last time. */
  #renewedMs = 0;
  #levels;
  #host;

  /**
   * @param {Rules} rules
   * @param {Host} host
   */
  constructor(rules, host) {
    this.#levels = rules.levels;
    this.#host = host;
    this.swaps = new Swaps(rules, (why, level) => this.#swap(why, level));
  }

  /**
   * The token of the stream that is open nears its end.
   *
   * @param {Stream & StreamEnd} stream
   * @param {number} leftS
   */
  onExpiring(stream, leftS) {
    this.#expiring = stream;
    const { level, livedMs } = stream;
    this.swaps.onExpiring({ level, livedMs: Math.min(livedMs, Date.now() - this.#renewedMs) }, leftS);
  }

  /**
   * @param {TokenReason} why
   * @param {number} level
   */
  #swap(why, level) {
    if (why === "expiring" && this.#expiring?.renew) this.#renew(this.#expiring.renew, level);
    else this.#swapUnlessBusy(why, level);
  }

  /**
   * An upgrade gives way to any other swap, and a fallback to the next one.
   *
   * @param {TokenReason} why
   * @param {number} level
   */
  #swapUnlessBusy(why, level) {
    const spare = this.#host.spare();
    if (!spare || (why !== "upgrade" && ["upgrade", "fallback"].includes(spare.why))) this.#host.swap(why, level);
  }

  /**
   * The stream goes on with a new token. When there is none, that is as a swap that failed.
   *
   * @param {() => Promise<void>} renew
   * @param {number} level
   */
  async #renew(renew, level) {
    const turn = this.#host.turn();
    try {
      await renew();
      this.#renewedMs = Date.now();
    } catch (error) {
      const neverOpened = { why: "expiring", level, isUp: false, accepted: false, request: undefined };
      if (turn === this.#host.turn()) this.onSpareEnd(neverOpened, endFor(error));
    }
  }

  /** The stream that was opened is another user's. */
  onOtherUser() {
    this.#host.apply({ kind: "down", end: { reason: "other_user" }, atFault: false, livedMs: 0, online: true });
  }

  /**
   * A swap failed. The first stream lives on, and the swap is tried again.
   *
   * @param {Pick<Stream, "why" | "level" | "isUp" | "accepted" | "request">} stream
   * @param {End} end
   */
  async onSpareEnd(stream, end) {
    const why = /** @type {TokenReason} */ (stream.why);
    if (why === "fallback") {
      if (stream.level + 1 < this.#levels) this.#swapUnlessBusy(why, stream.level + 1);
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
