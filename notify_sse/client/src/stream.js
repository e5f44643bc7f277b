// One connection over one transport, from its opening to its one end, watched: it must answer in time, and after
// that never be silent for longer than its heartbeats allow.
import { paced } from "./pace.js";

export class Stream {
  up = false; // its first event came
  opened = false; // the service accepted the request: an end from now on is no refusal
  heartbeatS = 15;
  #bornMs = Date.now();
  #heardMs = Date.now();
  #ended = false;
  #shut = () => {};
  #decode;
  #timer;
  #things = paced((thing) => this.#hear(thing)); // what waits at the end is sent again: its cursor was not reached

  /** `on.frame(event, id, data)` for what arrives; `on.end(end)` once, unless `close()` came first. */
  constructor(rung, why, limitMs, on) {
    Object.assign(this, { rung, why, limitMs, on });
    this.#watch(limitMs);
  }

  async start(load, prepare) {
    try {
      const [{ open, decode }, request] = await Promise.all([load(), prepare()]);
      this.request = request;
      this.#decode = decode;
      if (!this.#ended) this.#shut = open(request, this);
    } catch (error) {
      this.end({ reason: error?.reason ?? "network" });
    }
  }

  get livedMs() {
    return this.up ? Date.now() - this.#bornMs : 0;
  }

  get silentMs() {
    return Date.now() - this.#heardMs;
  }

  /** `thing`: what came, as the transport's `decode` takes it; it is decoded when its turn comes. */
  take(thing) {
    this.#heardMs = Date.now();
    if (!this.#ended) this.#things.push(thing);
  }

  #hear(thing) {
    let frame;
    try {
      frame = this.#decode(thing);
    } catch {
      return this.end({ reason: "garbled" }); // read again from the cursor, never skipped
    }
    if (frame.event !== "pong") this.on.frame(frame.event, frame.id || null, frame.data);
  }

  /** From now on silence is measured by its heartbeats. */
  established(heartbeatS = 15) {
    this.up = true;
    this.heartbeatS = heartbeatS;
    this.limitMs = heartbeatS * 2000 + 1000;
    clearTimeout(this.#timer);
    this.#watch(this.limitMs);
  }

  end(end) {
    if (this.#ended) return;
    this.close();
    this.on.end(end);
  }

  close() {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#things.stop();
    this.#shut();
  }

  // One timer, set anew only when it rings: an event costs nothing but the note of when it came.
  #watch(ms) {
    this.#timer = setTimeout(() => {
      const leftMs = this.limitMs - this.silentMs;
      if (leftMs > 0) this.#watch(leftMs);
      else this.end({ reason: this.up ? "stalled" : "timeout" });
    }, ms);
  }
}
