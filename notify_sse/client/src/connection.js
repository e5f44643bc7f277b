// Keeps one stream open: opens streams, swaps them without a gap, tries again. What ends mean is in cause.js, when to swap in
// swaps.js, which transport in levels.js, what to do next in policy.js. It knows neither pages nor listeners, so that it also
// runs in a SharedWorker.
import { findCause, isSuspectAfter, livedMsUntil } from "./cause.js";
import { isAfter } from "./cursor.js";
import { loaderOf, preload, transportsFor } from "./levels.js";
import { INITIAL, isStopped, messageFor, next, RULES } from "./policy.js";
import { Room } from "./room.js";
import { Stream } from "./stream.js";
import { Swaps } from "./swaps.js";
import { prepareRequest } from "./tokens.js";

/** @import { ConnectionState, Status, TokenReason } from "../notify-sse.js" */
/** @import { End, Fact, PolicyState, Rules, Sink, Source, SourceOptions } from "./types.js" */

const DEFAULTS = { connectTimeoutMs: 10000, upgradeAfterMs: 60000 };

/** @implements {Source} */
export class Connection {
  /** @type {string | null} */
  cursor = null;
  /**
   * Whose notifications these are. The first stream says so, and no other user's are taken after that.
   *
   * @type {string | null}
   */
  recipient;
  /** @type {PolicyState} */
  #state = INITIAL;
  /**
   * The stream that notifications come from.
   *
   * @type {Stream | null}
   */
  #stream = null;
  /**
   * The stream that is about to take over from it.
   *
   * @type {Stream | null}
   */
  #spare = null;
  /** Counts how often all streams were given up. What was begun before that does not count any more. */
  #turn = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {number | null} */
  #retryAt = null;
  #options;
  #sink;
  #transports;
  /** @type {Rules} */
  #rules;
  #swaps;
  #room;

  /**
   * @param {SourceOptions} options
   * @param {Sink} sink is told each notification and heartbeat once and in order
   */
  constructor(options, sink) {
    this.#options = { ...DEFAULTS, ...options };
    this.recipient = options.recipient ?? null;
    this.#transports = transportsFor(options);
    this.#rules = { ...RULES, ...options, levels: this.#transports.length };
    this.#swaps = new Swaps(this.#rules, this.#options.upgradeAfterMs, (why, level) =>
      this.#swapUnlessBusy(why, level),
    );
    this.#room = new Room(options.url, this.#transports.length);
    this.#sink = sink;
  }

  /** @returns {Omit<ConnectionState, "shared">} */
  get state() {
    const { status, attempt, delayMs, reason, level } = this.#state;
    return {
      status,
      reason,
      message: messageFor(this.#state),
      transport: this.#transports[level],
      attempt: status === "connected" ? 0 : attempt,
      retryAt: delayMs === null ? null : this.#retryAt,
      recipient: this.recipient,
    };
  }

  /**
   * A connection that runs already keeps its cursor: every tab that joins a shared one starts it, from where that tab is.
   *
   * @param {string | null} cursor
   */
  start(cursor) {
    if (!isStopped(this.#state)) return;
    if (cursor) this.cursor = cursor;
    this.#connect("connect");
  }

  /** @param {Status} [status] "closed", or "paused" for a page that is not alive now */
  stop(status = "closed") {
    this.#giveUpStreams();
    this.#apply({ kind: "stop", status });
  }

  /** Tries now, with all attempts ahead. */
  retryNow() {
    if (isStopped(this.#state) || this.#state.status === "connected") return;
    this.#state = next(this.#state, { kind: "retry" }, this.#rules);
    this.#connect("connect");
  }

  /**
   * Is what looks open still alive? A second stream finds out.
   *
   * @param {boolean} changed
   */
  wake(changed) {
    const { status, delayMs } = this.#state;
    if (status !== "connected") {
      if (changed || delayMs !== null || status === "failed") this.retryNow();
    } else if (this.#stream) {
      const isSilent = this.#stream.silentMs > this.#stream.heartbeatS * 1000;
      if (changed || isSilent) this.#swap("wake", this.#stream.level);
    }
  }

  offline() {
    if (isStopped(this.#state)) return;
    this.#giveUpStreams();
    this.#apply({ kind: "offline" });
  }

  /** @param {TokenReason} why */
  #connect(why) {
    this.#giveUpStreams();
    this.#apply({ kind: "try" });
    this.#stream = this.#open(why, this.#state.level);
  }

  /**
   * Opens a second stream from the cursor. The first one is closed once the second is up.
   *
   * @param {TokenReason} why
   * @param {number} level
   */
  #swap(why, level) {
    this.#spare?.close();
    this.#spare = this.#open(why, level);
  }

  /**
   * An upgrade gives way to any other swap.
   *
   * @param {TokenReason} why
   * @param {number} level
   */
  #swapUnlessBusy(why, level) {
    if (!this.#spare || (why !== "upgrade" && this.#spare.why === "upgrade")) this.#swap(why, level);
  }

  /**
   * @param {TokenReason} why
   * @param {number} level
   */
  #open(why, level) {
    const stream = new Stream(level, why, this.#options.connectTimeoutMs, {
      frame: (event, id, data) => this.#onFrame(stream, event, id, data),
      end: (end) => this.#onEnd(stream, end),
    });
    stream.start(loaderOf(this.#transports[level]), async () => {
      await this.#room.admit(level, this.#stream?.level === level);
      const reason = this.#state.refusals ? "unauthorized" : why;
      return prepareRequest(this.#options, reason, () => this.cursor);
    });
    return stream;
  }

  /**
   * @param {Stream} stream
   * @param {string} event
   * @param {string | null} id
   * @param {any} data
   */
  #onFrame(stream, event, id, data) {
    if (event === "closing") {
      stream.end({ reason: data.reason, retryMs: data.retry_ms }); // the first event of a stream that is refused for load
      return;
    }
    if (event === "connected" && !this.#isOurs(data.recipient_id)) return;
    if (!stream.isUp) this.#onUp(stream, data.heartbeat_s);
    if (event === "reset") {
      this.cursor = id ?? data.to;
      this.#sink.reset({ ...data, to: this.cursor });
      return;
    }
    if (event === "expiring") this.#swaps.onExpiring(stream, data.expires_in_s);
    if (event === "connected" && this.cursor) return; // a cursor moves only by what was received
    // Two streams may send the same: the cursor tells what is new.
    if (!id || !isAfter(id, this.cursor)) return;
    const prev = this.cursor;
    this.cursor = id;
    this.#sink.frame({ event, id, prev, data });
  }

  /**
   * Whether the stream is for our user. Nothing of another user's is handed over, and no stream of his replaces ours.
   *
   * @param {string} [recipient] a service of an earlier version does not say
   */
  #isOurs(recipient) {
    if (!recipient || recipient === this.recipient) return true;
    if (this.recipient) {
      this.#giveUpStreams();
      this.#apply({ kind: "down", end: { reason: "other_user" }, atFault: false, livedMs: 0, online: true });
      return false;
    }
    this.recipient = recipient;
    const { cursorOf } = this.#options;
    if (!this.cursor || !cursorOf || cursorOf === recipient) return true;
    // The cursor was kept for another user. What came since he was here is not missed by this one.
    this.cursor = null;
    this.#connect("connect");
    return false;
  }

  /**
   * @param {Stream} stream
   * @param {number} [heartbeatS]
   */
  #onUp(stream, heartbeatS) {
    stream.markUp(heartbeatS);
    if (stream === this.#spare) {
      this.#stream?.close();
      this.#stream = stream;
      this.#spare = null;
      this.#room.endSwap();
    }
    this.#apply({ kind: "up", level: stream.level });
    this.#swaps.onUp(stream.level);
    if (stream.level === 0) preload(this.#transports);
  }

  /**
   * @param {Stream} stream
   * @param {End} end
   */
  #onEnd(stream, end) {
    if (stream === this.#spare) {
      this.#onSpareEnd(stream, end);
      return;
    }
    this.#stream = this.#spare; // one that is on its way may still take over
    this.#spare = null;
    if (this.#stream) this.#apply({ kind: "try" });
    else this.#onLastEnd(stream, end);
  }

  /**
   * A swap failed. The first stream lives on, and the swap is tried again.
   *
   * @param {Stream} stream
   * @param {End} end
   */
  async #onSpareEnd(stream, end) {
    const turn = this.#turn;
    const why = /** @type {TokenReason} */ (stream.why);
    this.#spare = null;
    this.#room.endSwap();
    this.#swaps.onFailed(why, stream.level);
    if (why === "upgrade") return;
    const { reason = end.reason } = await findCause(stream, end, false);
    if (turn === this.#turn && reason === "unauthorized") this.#apply({ kind: "refused" });
  }

  /**
   * The only stream ended, or could not be opened.
   *
   * @param {Stream} stream
   * @param {End} end
   */
  async #onLastEnd(stream, end) {
    if (end.reason === "crowded") {
      this.#apply({ kind: "crowded" });
      this.#connect("connect");
      return;
    }
    const turn = this.#turn;
    this.#swaps.cancel();
    const livedMs = livedMsUntil(stream, end);
    const isSuspect = isSuspectAfter(livedMs, end);
    // To find out why takes a while. The page is told before.
    if (stream.isUp && isSuspect) this.#apply({ kind: "try", reason: end.reason });
    const { atFault, ...found } = await findCause(stream, end, isSuspect);
    const online = globalThis.navigator?.onLine ?? true;
    if (turn === this.#turn) this.#apply({ kind: "down", end: { ...end, ...found }, atFault, livedMs, online });
  }

  #giveUpStreams() {
    this.#turn += 1;
    clearTimeout(this.#retryTimer);
    this.#swaps.cancel();
    this.#stream?.close();
    this.#spare?.close();
    this.#stream = null;
    this.#spare = null;
    this.#room.leave();
  }

  /** @param {Fact} fact */
  #apply(fact) {
    this.#state = next(this.#state, fact, this.#rules);
    const { delayMs } = this.#state;
    clearTimeout(this.#retryTimer);
    if (delayMs !== null) {
      this.#retryAt = Date.now() + delayMs;
      this.#retryTimer = setTimeout(() => this.#connect("retry"), delayMs);
    }
    this.#sink.state(this.state);
  }
}
