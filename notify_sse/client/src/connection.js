// Keeps one stream open: opens streams, swaps them without a gap, tries again. What ends mean is in ends.js and cause.js, when to swap in
// swaps.js, which transport in levels.js, what to do next in steps.js and policy.js. It knows neither pages nor listeners, so that it also
// runs in a SharedWorker.
import { isAfter } from "./cursor.js";
import { inTime } from "./in-time.js";
import { preload, TRANSPORTS, transportsFor } from "./levels.js";
import { INITIAL, isStopped, RULES, step, UNREACHABLE } from "./steps.js";
import { Stream } from "./stream.js";
import { prepareRequest } from "./tokens.js";

/** @import { ConnectionState, Status, TokenReason } from "../notify-sse.js" */
/** @import { Slots } from "./slots.js" */
/** @import { Host, Trouble } from "./trouble.js" */
/** @import { End, Fact, PolicyState, Rules, Sink, Source, SourceOptions } from "./types.js" */

/** After so long a first event is late. */
const SLOW_MS = 1000;

/** @implements {Source} */
export class Connection {
  /** @type {string | null} */
  cursor = null;
  /** Whose notifications these are. The first stream says so, and no other user's are taken after that. @type {string | null} */
  recipient;
  /** @type {PolicyState} */
  #state;
  /** What the service said when the stream was opened. @type {Partial<ConnectionState>} */
  #greeting = {};
  /** The stream that notifications come from. @type {Stream | null} */
  #stream = null;
  /** The stream that is about to take over from it. @type {Stream | null} */
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
  /** Whether there is room for one more stream of this browser. Only tabs that can agree on it look. @type {Slots | null} */
  #slots = null;
  /** @type {Trouble | null} */
  #trouble = null;
  /** What it may do with this connection. @type {Host} */
  #host = {
    apply: (fact) => this.#apply(fact),
    connect: () => this.#connect("connect"),
    swap: (why, level) => this.#swap(why, level),
    spare: () => this.#spare,
    turn: () => this.#turn,
    known: this,
    begin: (cursor) => this.#take("heartbeat", cursor, {}),
  };

  /** @param {SourceOptions} options @param {Sink} sink is told each notification and heartbeat once and in order */
  constructor(options, sink) {
    this.#options = options;
    this.recipient = options.recipient ?? null;
    this.#transports = transportsFor(options);
    this.#state = { ...INITIAL, level: Math.max(0, this.#transports.indexOf(/** @type {any} */ (options.first))) };
    this.#rules = { ...RULES, ...options, levels: this.#transports.length };
    this.#sink = sink;
  }

  /** @returns {Partial<ConnectionState>} */
  get state() {
    const { status, attempt, delayMs, reason, level, error } = this.#state;
    return {
      status,
      reason,
      message: this.#trouble?.messageFor(this.#state) ?? (status === "failed" ? UNREACHABLE : ""),
      transport: this.#transports[level],
      attempt: status === "connected" ? 0 : attempt,
      retryAt: delayMs === null ? null : this.#retryAt,
      recipient: this.recipient,
      error,
      ...this.#greeting,
    };
  }

  /**
   * A connection that runs already keeps its cursor: every tab that joins a shared one starts it, from where that tab is.
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
    this.#state = step(this.#state, { kind: "retry" }, this.#rules);
    this.#connect("connect");
  }

  /** Is what looks open still alive? A second stream finds out. @param {boolean} changed */
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
   * @param {TokenReason} why @param {number} level
   */
  #swap(why, level) {
    this.#spare?.close();
    this.#spare = this.#open(why, level);
  }

  /** @param {TokenReason} why @param {number} level */
  #open(why, level) {
    const stream = new Stream(level, why, this.#rules.connectTimeoutMs, {
      frame: (event, id, data) => this.#onFrame(stream, event, id, data),
      end: (end) => this.#onEnd(stream, end),
    });
    const load = TRANSPORTS[this.#transports[level]];
    stream.start(load(this.#options.tokenIn), async () => {
      // Only the best transport needs one of the few connections, and a page that chose its transport has what it wants.
      if (level === 0 && this.#transports.length > 1) await this.#admit(this.#stream?.level === 0);
      const reason = this.#state.refusals ? "unauthorized" : why;
      const request = await prepareRequest(this.#options, reason, () => this.cursor);
      request.pollAfterS = this.#state.pollAfterS;
      if (!this.#state.works && !this.#stream?.isUp && level + 1 < this.#transports.length) this.#watch(level);
      return request;
    });
    return stream;
  }

  /**
   * Waits for a place, or throws when all are taken.
   * @param {boolean} isSwap it takes over from a stream that has a place
   */
  async #admit(isSwap) {
    if (!globalThis.navigator?.locks) return;
    const turn = this.#turn;
    this.#slots ??= await inTime(import("./slots.js").then(({ Slots }) => new Slots(this.#options.url)));
    if (turn === this.#turn) await this.#slots?.admit(isSwap);
  }

  /** @param {Stream} stream @param {string} event @param {string | null} id @param {any} data */
  #onFrame(stream, event, id, data) {
    if (event === "closing") {
      stream.end({ reason: data.reason, retryMs: data.retry_ms }); // the first event of a stream that is refused for load
      return;
    }
    if (event === "connected") {
      if (!this.#isOurs(data.recipient_id)) return;
      this.#greeting = {
        connectionId: data.connection_id ?? null,
        unread: data.unread ?? null,
        unreadUpto: data.unread_upto ?? null,
      };
    }
    if (!stream.isUp) this.#onUp(stream, data.heartbeat_s);
    if (event === "reset") {
      this.cursor = id ?? data.to;
      this.#sink.reset({ ...data, to: this.cursor });
      return;
    }
    if (event === "expiring") this.#withTrouble((trouble) => trouble.onExpiring(stream, data.expires_in_s));
    if (event === "connected" && this.cursor) return; // a cursor moves only by what was received
    if (id) this.#take(event, id, data);
  }

  /**
   * Two streams may send the same: the cursor tells what is new.
   * @param {string} event @param {string} id @param {any} data
   */
  #take(event, id, data) {
    if (!isAfter(id, this.cursor)) return;
    const prev = this.cursor;
    this.cursor = id;
    this.#sink.frame({ event, id, prev, data });
  }

  /**
   * Whether the stream is for our user. Nothing of another user's is handed over, and no stream of his replaces ours.
   * @param {string} [recipient] a service of an earlier version does not say
   */
  #isOurs(recipient) {
    if (!recipient || recipient === this.recipient) return true;
    if (this.recipient) {
      this.#giveUpStreams();
      this.#withTrouble((trouble) => trouble.onOtherUser(), {});
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

  /** @param {Stream} stream @param {number} [heartbeatS] */
  #onUp(stream, heartbeatS) {
    stream.markUp(heartbeatS);
    if (stream === this.#spare) {
      this.#stream?.close();
      this.#stream = stream;
      this.#spare = null;
      this.#slots?.endTurn();
    } else if (this.#spare?.why === "fallback") {
      this.#spare.close(); // what was late came first all the same
      this.#spare = null;
    }
    this.#apply({ kind: "up", level: stream.level });
    this.#withTrouble((trouble) => trouble.swaps.onUp(this.#state.pollAfterS ? 0 : stream.level));
    if (stream.level === 0) preload(this.#transports);
  }

  /** @param {Stream} stream @param {End} end */
  #onEnd(stream, end) {
    if (stream === this.#spare) {
      this.#spare = null;
      this.#slots?.endTurn();
      this.#withTrouble((trouble) => trouble.onSpareEnd(stream, end));
      return;
    }
    this.#stream = this.#spare; // one that is on its way may still take over
    this.#spare = null;
    if (this.#stream) this.#apply({ kind: "try" });
    else this.#withTrouble((trouble) => trouble.onLastEnd(stream, end), end);
  }

  /**
   * A stream was asked for while none is up. When it takes long, the next transport is tried beside it.
   * @param {number} level
   */
  #watch(level) {
    const turn = this.#turn;
    setTimeout(() => {
      if (turn === this.#turn && !this.#stream?.isUp) this.#withTrouble((trouble) => trouble.swaps.onTrying(level));
    }, SLOW_MS);
  }

  /**
   * What is needed once something takes long or goes wrong is fetched then, or beforehand once a stream is up. There may be no
   * network to fetch it, or one that hangs: where no stream is left, another one is opened all the same.
   * @param {(trouble: Trouble) => void} act not called when all streams were given up meanwhile
   * @param {Partial<End>} [last] no stream is left since this end
   */
  async #withTrouble(act, last) {
    const turn = this.#turn;
    if (!this.#trouble) {
      const loaded = await inTime(import("./trouble.js"), last ? SLOW_MS : 1e9);
      if (turn !== this.#turn) return;
      this.#trouble ??= loaded && new loaded.Trouble(this.#rules, this.#host);
    }
    if (this.#trouble) act(this.#trouble);
    else if (last) this.#apply({ kind: "again", retryMs: last.retryMs });
  }

  #giveUpStreams() {
    this.#turn += 1;
    this.#trouble?.swaps.cancel();
    this.#stream?.close();
    this.#spare?.close();
    this.#stream = null;
    this.#spare = null;
    this.#slots?.leave();
  }

  /** @param {Fact} fact */
  #apply(fact) {
    this.#state = (this.#trouble?.next ?? step)(this.#state, fact, this.#rules);
    const { delayMs } = this.#state;
    clearTimeout(this.#retryTimer);
    if (delayMs !== null) {
      this.#retryAt = Date.now() + delayMs;
      this.#retryTimer = setTimeout(() => this.#connect("retry"), delayMs);
    }
    this.#sink.state(this.state);
  }
}
