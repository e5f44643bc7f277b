// Keeps one stream open: opens streams, swaps them without a gap, retries, falls back, and climbs up again. It knows neither
// pages nor listeners, so that it also runs in a SharedWorker.
import { isAfter } from "./cursor.js";
import { TokenError } from "./errors.js";
import { backoffMs, INITIAL, isStopped, messageFor, next, PROVEN_MS, RULES } from "./policy.js";
import { probe, refusal } from "./request.js";
import { Stream } from "./stream.js";
import * as eventsource from "./transports/eventsource.js";

/** @import { ConnectionState, ManagerOptions, Status, TokenReason, Transport as TransportName } from "../notify-sse.js" */
/** @import { End, Fact, PolicyState, Rules, Sink, Source, SourceOptions, StreamRequest, Transport } from "./types.js" */

/** @type {Record<TransportName, () => Transport | Promise<Transport>>} */
const TRANSPORTS = {
  eventsource: () => eventsource,
  fetch: () => import("./transports/fetch.js"),
  websocket: () => import("./transports/websocket.js"),
  longpoll: () => import("./transports/longpoll.js"),
};

/** Ends for which a transport itself may be to blame. */
const FAULTS = ["network", "stalled", "garbled"];

/** A new token that is about to expire already is not swapped at once, so that such tokens make no storm of swaps. */
const YOUNG_MS = 1000;
const YOUNG_DELAY_MS = 300;
const MAX_SWAP_DELAY_MS = 10000;

/**
 * The transports to use, best first.
 *
 * @param {SourceOptions} options
 * @returns {TransportName[]}
 */
function transportsFor({ transport = "auto", tokenIn }) {
  if (transport !== "auto") return [transport];
  const best = tokenIn === "header" || !globalThis.EventSource ? "fetch" : "eventsource";
  return [best, "websocket", "longpoll"];
}

/** @implements {Source} */
export class Connection {
  /** @type {string | null} */
  cursor = null;
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
  /**
   * Two timers: an upgrade to a better transport has its own, which no other swap sets back.
   *
   * @type {Record<"renew" | "upgrade", ReturnType<typeof setTimeout> | undefined>}
   */
  #swapTimers = { renew: undefined, upgrade: undefined };
  /** Failed swaps in a row. */
  #failedSwaps = 0;
  /** @type {SourceOptions & Required<Pick<ManagerOptions, "connectTimeoutMs" | "upgradeAfterMs">>} */
  #options;
  #sink;
  #transports;
  /** @type {Rules} */
  #rules;

  /**
   * @param {SourceOptions} options
   * @param {Sink} sink is told each notification and heartbeat once and in order
   */
  constructor(options, sink) {
    this.#options = { connectTimeoutMs: 10000, upgradeAfterMs: 60000, ...options };
    this.#transports = transportsFor(options);
    this.#rules = { ...RULES, ...options, levels: this.#transports.length };
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
   * @param {number} delayMs
   * @param {TokenReason} why
   * @param {number} level
   */
  #swapLater(delayMs, why, level) {
    const timer = why === "upgrade" ? "upgrade" : "renew";
    this.#cancelSwap(timer);
    this.#swapTimers[timer] = setTimeout(() => {
      this.#swapTimers[timer] = undefined;
      if (!this.#spare || (timer === "renew" && this.#spare.why === "upgrade")) this.#swap(why, level);
    }, delayMs);
  }

  #cancelSwaps() {
    this.#cancelSwap("renew");
    this.#cancelSwap("upgrade");
  }

  /** @param {"renew" | "upgrade"} timer */
  #cancelSwap(timer) {
    clearTimeout(this.#swapTimers[timer]);
    this.#swapTimers[timer] = undefined;
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
    stream.start(TRANSPORTS[this.#transports[level]], () => this.#request(why));
    return stream;
  }

  /**
   * @param {TokenReason} why
   * @returns {Promise<StreamRequest>}
   */
  async #request(why) {
    const { url, topics, withCredentials } = this.#options;
    const token = await this.#token(this.#state.refusals ? "unauthorized" : why);
    const freshToken = (/** @type {TokenReason} */ reason) => this.#token(reason);
    return { base: url, topics, withCredentials, token, cursor: this.cursor, freshToken };
  }

  /** @param {TokenReason} reason */
  async #token(reason) {
    try {
      return await this.#options.getToken?.({ reason });
    } catch (error) {
      throw new TokenError(error);
    }
  }

  /**
   * @param {Stream} stream
   * @param {string} event
   * @param {string | null} id
   * @param {any} data
   */
  #onFrame(stream, event, id, data) {
    if (!stream.isUp) this.#onUp(stream, data.heartbeat_s);
    if (event === "reset") {
      this.#onReset(id ?? data.to, data);
      return;
    }
    if (event === "closing") {
      stream.end({ reason: data.reason, retryMs: data.retry_ms });
      return;
    }
    if (event === "expiring") this.#onExpiring(stream, data.expires_in_s);
    if (event === "connected" && this.cursor) return; // a cursor moves only by what was received
    // Two streams may send the same: the cursor tells what is new.
    if (!id || !isAfter(id, this.cursor)) return;
    const prev = this.cursor;
    this.cursor = id;
    this.#sink.frame({ event, id, prev, data });
  }

  /**
   * @param {string} to
   * @param {any} data
   */
  #onReset(to, data) {
    this.cursor = to;
    this.#sink.reset({ ...data, to });
  }

  /**
   * The token nears its end. Swaps are spread over the time that is left, so that a crowd of clients does not come at once.
   *
   * @param {Stream} stream
   */
  #onExpiring({ level, livedMs }, leftS = 0) {
    const delayMs = this.#rules.random() * Math.min(leftS * 500, MAX_SWAP_DELAY_MS);
    this.#swapLater(Math.max(delayMs, livedMs < YOUNG_MS ? YOUNG_DELAY_MS : 0), "expiring", level);
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
    }
    this.#failedSwaps = 0;
    this.#apply({ kind: "up", level: stream.level });
    this.#cancelSwap("renew");
    if (stream.level > 0) {
      if (!this.#swapTimers.upgrade) this.#swapLater(this.#options.upgradeAfterMs, "upgrade", 0);
      return;
    }
    this.#cancelSwap("upgrade");
    this.#loadFallbacks();
  }

  /** The fallbacks are fetched while that is possible: they will be needed when it is not. */
  #loadFallbacks() {
    for (const name of this.#transports) Promise.resolve(TRANSPORTS[name]()).catch(() => {});
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
    const { level } = stream;
    const why = /** @type {TokenReason} */ (stream.why);
    this.#spare = null;
    if (why === "upgrade") {
      this.#swapLater(this.#options.upgradeAfterMs, why, level);
      return;
    }
    this.#failedSwaps += 1;
    this.#swapLater(backoffMs(this.#failedSwaps, this.#rules), why, level);
    const { reason = end.reason } = await this.#findCause(stream, end, false);
    if (turn === this.#turn && reason === "unauthorized") this.#apply({ kind: "refused" });
  }

  /**
   * The only stream ended, or could not be opened.
   *
   * @param {Stream} stream
   * @param {End} end
   */
  async #onLastEnd(stream, end) {
    const turn = this.#turn;
    this.#cancelSwaps();
    // Silence is no life: a transport that connects and then says nothing has proved nothing.
    const livedMs = stream.livedMs - (end.reason === "stalled" ? stream.silentMs : 0);
    const isSuspect = livedMs < PROVEN_MS && FAULTS.includes(end.reason);
    // To find out why takes a while. The page is told before.
    if (stream.isUp && isSuspect) this.#apply({ kind: "try", reason: end.reason });
    const { atFault, ...found } = await this.#findCause(stream, end, isSuspect);
    const online = globalThis.navigator?.onLine ?? true;
    if (turn === this.#turn) this.#apply({ kind: "down", end: { ...end, ...found }, atFault, livedMs, online });
  }

  /**
   * Whether the transport is at fault: only when the service answers, and this transport does not work all the same.
   *
   * @param {Stream} stream
   * @param {End} end
   * @param {boolean} isSuspect
   * @returns {Promise<{ atFault: boolean } & Partial<End>>}
   */
  async #findCause({ isUp, accepted, request }, { reason, status }, isSuspect) {
    if (!request) return { atFault: false };
    if (isUp) return { atFault: isSuspect && (await probe(request)) === 200 };
    if (status || (accepted && reason !== "timeout")) return { atFault: false };
    const answer = await probe(request);
    if (answer === 200) return { atFault: true };
    return { atFault: false, ...(answer ? refusal(answer) : {}) };
  }

  #giveUpStreams() {
    this.#turn += 1;
    clearTimeout(this.#retryTimer);
    this.#cancelSwaps();
    this.#stream?.close();
    this.#spare?.close();
    this.#stream = null;
    this.#spare = null;
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
