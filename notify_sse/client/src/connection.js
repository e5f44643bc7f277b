// One stream, kept alive: opens lines (transports), swaps them without a gap, retries, falls back, climbs up again.
// It knows neither pages nor listeners, so that it also runs in a SharedWorker.
import { isAfter } from "./cursor.js";
import { backoffMs, INITIAL, isStopped, messageFor, next, PROVEN_MS, RULES } from "./policy.js";
import { probe, refusal } from "./request.js";
import { Stream } from "./stream.js";
import * as eventsource from "./transports/eventsource.js";

const TRANSPORTS = {
  eventsource: () => eventsource,
  fetch: () => import("./transports/fetch.js"),
  websocket: () => import("./transports/websocket.js"),
  longpoll: () => import("./transports/longpoll.js"),
};

/** Ends for which a transport itself may be to blame. */
const FAULTS = ["network", "stalled", "garbled"];

/** The transports to use, best first. */
function ladder({ transport = "auto", tokenIn }) {
  if (transport !== "auto") return [transport];
  return [tokenIn === "header" || !globalThis.EventSource ? "fetch" : "eventsource", "websocket", "longpoll"];
}

export class Connection {
  cursor = null;
  #state = INITIAL;
  #line = null; // what arrives now
  #spare = null; // what is about to take over
  #turn = 0;
  #retry; // timer: connect again
  #swaps = {}; // timers: swap; for a better transport, and for all else
  #failedSwaps = 0; // in a row

  /**
   * `sink.state(state)`; `sink.frame({event, id, prev, data})` for each notification and heartbeat, once and in order,
   * `prev` being the cursor that it follows; `sink.reset(data)`.
   */
  constructor(options, sink) {
    this.options = { connectTimeoutMs: 10000, upgradeAfterMs: 60000, ...options };
    this.names = ladder(options);
    this.rules = { ...RULES, ...options, rungs: this.names.length };
    this.sink = sink;
  }

  get state() {
    const { status, attempt, delayMs, reason, rung } = this.#state;
    return {
      status,
      reason,
      message: messageFor(this.#state),
      transport: this.names[rung],
      attempt: status === "connected" ? 0 : attempt,
      retryAt: delayMs === null ? null : this.retryAt,
    };
  }

  /** Of one that runs already the cursor stays: a hub is told to start by every tab that joins, from where that tab is. */
  start(cursor) {
    if (!isStopped(this.#state)) return;
    if (cursor) this.cursor = cursor;
    this.#connect("connect");
  }

  /** `status`: "closed", or "paused" for a page that is not alive now. */
  stop(status = "closed") {
    this.#hangUp();
    this.#apply({ kind: "stop", status });
  }

  /** Try now, with all attempts ahead. */
  retryNow() {
    if (isStopped(this.#state) || this.#state.status === "connected") return;
    this.#state = next(this.#state, { kind: "retry" }, this.rules);
    this.#connect("connect");
  }

  /** The page was shown, or (`changed`) the network is another: is what looks open still alive? */
  wake(changed) {
    const { status, delayMs } = this.#state;
    if (status !== "connected") {
      if (changed || delayMs !== null || status === "failed") this.retryNow();
    } else if (changed || this.#line.silentMs > this.#line.heartbeatS * 1000) this.#swap("wake");
  }

  offline() {
    if (isStopped(this.#state)) return;
    this.#hangUp();
    this.#apply({ kind: "offline" });
  }

  #connect(why) {
    this.#hangUp();
    this.#apply({ kind: "try" });
    this.#line = this.#open(why, this.#state.rung);
  }

  /** A second line is opened with the cursor; the first is closed once the second is established. */
  #swap(why, rung = this.#line.rung) {
    this.#spare?.close();
    this.#spare = this.#open(why, rung);
  }

  /** An upgrade has a clock of its own, which no other swap sets back, and gives way to any other. */
  #swapLater(delayMs, why, rung) {
    const clock = why === "upgrade" ? why : "renew";
    this.#cancelSwap(clock);
    this.#swaps[clock] = setTimeout(() => {
      this.#swaps[clock] = null;
      if (!this.#spare || (clock === "renew" && this.#spare.why === "upgrade")) this.#swap(why, rung);
    }, delayMs);
  }

  #cancelSwaps() {
    for (const clock of ["renew", "upgrade"]) this.#cancelSwap(clock);
  }

  #cancelSwap(clock) {
    clearTimeout(this.#swaps[clock]);
    this.#swaps[clock] = null;
  }

  #open(why, rung) {
    const line = new Stream(rung, why, this.options.connectTimeoutMs, {
      frame: (event, id, data) => this.#hear(line, event, id, data),
      end: (end) => this.#ended(line, end),
    });
    line.start(TRANSPORTS[this.names[rung]], () => this.#request(why));
    return line;
  }

  async #request(why) {
    const { url, topics, withCredentials } = this.options;
    const token = await this.#token(this.#state.denials ? "unauthorized" : why);
    return {
      base: url,
      topics,
      withCredentials,
      token,
      cursor: this.cursor,
      freshToken: (reason) => this.#token(reason),
    };
  }

  async #token(reason) {
    try {
      return await this.options.getToken?.({ reason });
    } catch (error) {
      throw { reason: "token", error };
    }
  }

  #hear(line, event, id, data) {
    if (!line.up) this.#established(line, data);
    if (event === "reset") return this.#reset(id ?? data.to, data);
    if (event === "expiring") this.#expiring(line, data);
    if (event === "closing") return line.end({ reason: data.reason, retryMs: data.retry_ms });
    if (event === "connected" && this.cursor) return; // a cursor moves only by what was received
    if (!id || !isAfter(id, this.cursor)) return;
    const prev = this.cursor;
    this.cursor = id;
    this.sink.frame({ event, id, prev, data });
  }

  #reset(to, data) {
    this.cursor = to;
    this.sink.reset({ ...data, to });
  }

  /** Spread over the time that is left; not at once if a token came that was about to expire already. */
  #expiring({ rung, livedMs }, { expires_in_s: leftS = 0 }) {
    const delayMs = this.rules.random() * Math.min(leftS * 500, 10000);
    this.#swapLater(Math.max(delayMs, livedMs < 1000 ? 300 : 0), "expiring", rung);
  }

  #established(line, data) {
    line.established(data.heartbeat_s);
    if (line === this.#spare) {
      this.#line?.close();
      this.#line = line;
      this.#spare = null;
    }
    this.#failedSwaps = 0;
    this.#apply({ kind: "up", rung: line.rung });
    this.#cancelSwap("renew");
    if (line.rung) return this.#swaps.upgrade ?? this.#swapLater(this.options.upgradeAfterMs, "upgrade", 0);
    this.#cancelSwap("upgrade");
    // The fallbacks are fetched while that is possible: they will be needed when it is not.
    for (const name of this.names) Promise.resolve(TRANSPORTS[name]()).catch(() => {});
  }

  #ended(line, end) {
    if (line === this.#spare) return this.#spareEnded(line, end);
    this.#line = this.#spare; // one that is on its way may still take over
    this.#spare = null;
    if (this.#line) this.#apply({ kind: "try" });
    else this.#down(line, end);
  }

  /** The first line lives on, and the swap is tried again. */
  async #spareEnded(line, end) {
    const turn = this.#turn;
    const { rung, why } = line;
    this.#spare = null;
    if (why === "upgrade") return this.#swapLater(this.options.upgradeAfterMs, why, rung);
    this.#swapLater(backoffMs(++this.#failedSwaps, this.rules), why, rung);
    const { reason = end.reason } = await this.#blame(line, end);
    if (turn === this.#turn && reason === "unauthorized") this.#apply({ kind: "denied" });
  }

  async #down(line, end) {
    const turn = this.#turn;
    this.#cancelSwaps();
    // Silence is no life: a transport that connects and then says nothing has proved nothing.
    const livedMs = line.livedMs - (end.reason === "stalled" ? line.silentMs : 0);
    const young = livedMs < PROVEN_MS && FAULTS.includes(end.reason);
    if (line.up && young) this.#apply({ kind: "try", reason: end.reason }); // finding out takes a while
    const { blame, ...found } = await this.#blame(line, end, young);
    const fact = {
      kind: "down",
      end: { ...end, ...found },
      blame,
      livedMs,
      online: globalThis.navigator?.onLine ?? true,
    };
    if (turn === this.#turn) this.#apply(fact);
  }

  /** Whether the transport is at fault: only when the service answers, and this does not work nevertheless. */
  async #blame({ up, opened, request }, { reason, status }, young) {
    if (up) return { blame: young && (await probe(request)) === 200 };
    if (status || !request || (opened && reason !== "timeout")) return { blame: false };
    const answer = await probe(request);
    return answer === 200 ? { blame: true } : { blame: false, ...(answer && refusal(answer)) };
  }

  #hangUp() {
    this.#turn++;
    clearTimeout(this.#retry);
    this.#cancelSwaps();
    this.#line?.close();
    this.#spare?.close();
    this.#line = this.#spare = null;
  }

  #apply(fact) {
    this.#state = next(this.#state, fact, this.rules);
    const { delayMs } = this.#state;
    clearTimeout(this.#retry);
    if (delayMs !== null) {
      this.retryAt = Date.now() + delayMs;
      this.#retry = setTimeout(() => this.#connect("retry"), delayMs);
    }
    this.sink.state(this.state);
  }
}
