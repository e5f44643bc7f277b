// One stream over one transport, from its opening to its one end. It is watched: it must answer in time, and after that
// it must never be silent for longer than its heartbeats allow.
import { pacedQueue } from "./pace.js";
import { endFor } from "./request.js";

/** @import { DecodedEvent, End, StreamEnd, StreamRequest, Transport } from "./types.js" */

/**
 * @typedef {object} StreamListener
 * @property {(event: string, id: string | null, data: any) => void} frame called for each event
 * @property {(end: End) => void} end called once, unless `close()` came first
 */

const DEFAULT_HEARTBEAT_S = 15;

/** @implements {StreamEnd} */
export class Stream {
  /** Its first event came. */
  isUp = false;
  accepted = false;
  heartbeatS = 0;
  /** @type {StreamRequest | undefined} */
  request;
  #bornMs = Date.now();
  #heardMs = Date.now();
  #hasEnded = false;
  /** @type {() => void} */
  #closeTransport = () => {};
  /** @type {(raw: any) => DecodedEvent} */
  #decode = (raw) => raw;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** What still waits when the stream ends is sent again on the next one: the cursor has not reached it. */
  #received = pacedQueue((raw) => this.#decodeAndTell(raw));
  #limitMs;
  #listener;

  /**
   * @param {number} level which transport it uses
   * @param {string} why it is opened
   * @param {number} limitMs how long its first event may take
   * @param {StreamListener} listener
   */
  constructor(level, why, limitMs, listener) {
    this.level = level;
    this.why = why;
    this.#limitMs = limitMs;
    this.#listener = listener;
    this.#watch(limitMs);
  }

  /**
   * @param {Promise<Transport>} loading
   * @param {() => Promise<StreamRequest>} prepare
   */
  async start(loading, prepare) {
    try {
      const [transport, request] = await Promise.all([loading, prepare()]);
      this.request = request;
      this.#decode = transport.decode;
      if (!this.#hasEnded) this.#closeTransport = transport.open(request, this);
    } catch (error) {
      this.end(endFor(error));
    }
  }

  get livedMs() {
    return this.isUp ? Date.now() - this.#bornMs : 0;
  }

  get silentMs() {
    return Date.now() - this.#heardMs;
  }

  /**
   * The transport received something. It is decoded when its turn comes.
   *
   * @param {any} raw
   */
  receive(raw) {
    this.#heardMs = Date.now();
    if (!this.#hasEnded) this.#received.push(raw);
  }

  /** @param {any} raw */
  #decodeAndTell(raw) {
    let decoded;
    try {
      decoded = this.#decode(raw);
    } catch {
      this.end({ reason: "garbled" }); // it is read again from the cursor, never skipped
      return;
    }
    if (decoded.event !== "pong") this.#listener.frame(decoded.event, decoded.id || null, decoded.data);
  }

  /** The first event came. From now on silence is measured by the heartbeats. */
  markUp(heartbeatS = DEFAULT_HEARTBEAT_S) {
    this.isUp = true;
    this.heartbeatS = heartbeatS;
    this.#limitMs = heartbeatS * 2000 + 1000;
    clearTimeout(this.#timer);
    this.#watch(this.#limitMs);
  }

  /** @param {End} end */
  end(end) {
    if (this.#hasEnded) return;
    this.close();
    this.#listener.end(end);
  }

  close() {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#received.stop();
    this.#closeTransport();
  }

  /**
   * One timer, which is set again only when it rings. An event only notes when it came, and so costs next to nothing.
   *
   * @param {number} ms
   */
  #watch(ms) {
    this.#timer = setTimeout(() => {
      const leftMs = this.#limitMs - this.silentMs;
      if (leftMs > 0) this.#watch(leftMs);
      else this.end({ reason: this.isUp ? "stalled" : "timeout" });
    }, ms);
  }
}
