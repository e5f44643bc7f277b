// When a second stream is to take over from the one that is open: before its token ends, or to climb to a better transport.
import { backoffMs } from "./steps.js";

/** @import { TokenReason } from "../notify-sse.js" */
/** @import { Stream } from "./stream.js" */
/** @import { Rules } from "./types.js" */

/** A new token that is about to expire already is not swapped at once, so that such tokens make no storm of swaps. */
const YOUNG_MS = 1000;
const YOUNG_DELAY_MS = 300;
const MAX_SWAP_DELAY_MS = 10000;
/** So much longer a transport may take that is late already, before the next one is tried beside it. */
const FALLBACK_MS = 600;

export class Swaps {
  /**
   * An upgrade to a better transport has a timer of its own, which no other swap sets back; so has a fallback.
   *
   * @type {Record<string, ReturnType<typeof setTimeout> | undefined>}
   */
  #timers = {};
  /** Of the stream that is up. */
  #level = 0;
  /** Failed swaps in a row. */
  #failures = 0;
  #rules;
  #begin;

  /**
   * @param {Rules} rules
   * @param {(why: TokenReason, level: number) => unknown} begin is called when a swap is due
   */
  constructor(rules, begin) {
    this.#rules = rules;
    this.#begin = begin;
  }

  /**
   * A stream is asked for while none is up. When it takes long, the next transport is tried beside it.
   *
   * @param {number} level
   */
  onTrying(level) {
    this.#later(FALLBACK_MS, "fallback", level + 1);
  }

  /**
   * A stream came up. A fallback is to give way to the best transport after a while.
   *
   * @param {number} level
   */
  onUp(level) {
    this.#failures = 0;
    this.#level = level;
    this.#cancel("renew");
    this.#cancel("fallback");
    if (level === 0) this.#cancel("upgrade");
    else if (!this.#timers.upgrade) this.#later(this.#rules.upgradeAfterMs, "upgrade", 0);
  }

  /**
   * The token nears its end. Swaps are spread over the time that is left, so that a crowd of clients does not come at once.
   *
   * @param {Pick<Stream, "level" | "livedMs">} stream with how long it has the token
   */
  onExpiring({ level, livedMs }, leftS = 0) {
    const delayMs = this.#rules.random() * Math.min(leftS * 500, MAX_SWAP_DELAY_MS);
    this.#later(Math.max(delayMs, livedMs < YOUNG_MS ? YOUNG_DELAY_MS : 0), "expiring", level);
  }

  /**
   * A swap failed: it is tried again. Of the better transports another one, so that one that never works does not keep it from
   * climbing to one that does.
   *
   * @param {TokenReason} why
   * @param {number} level
   */
  onFailed(why, level) {
    if (why === "upgrade") {
      this.#later(this.#rules.upgradeAfterMs, why, (level + 1) % (this.#level || 1));
      return;
    }
    this.#failures += 1;
    this.#later(backoffMs(this.#failures, this.#rules), why, level);
  }

  cancel() {
    for (const timer in this.#timers) this.#cancel(timer);
  }

  /**
   * @param {number} delayMs
   * @param {TokenReason} why
   * @param {number} level
   */
  #later(delayMs, why, level) {
    const timer = why === "upgrade" || why === "fallback" ? why : "renew";
    this.#cancel(timer);
    this.#timers[timer] = setTimeout(() => {
      this.#timers[timer] = undefined;
      this.#begin(why, level);
    }, delayMs);
  }

  /** @param {string} timer */
  #cancel(timer) {
    clearTimeout(this.#timers[timer]);
    this.#timers[timer] = undefined;
  }
}
