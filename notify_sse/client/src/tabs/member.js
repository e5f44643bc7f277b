// A tab's end of a shared stream, whatever carries the messages: follows it, and sees to it that the other end lives.
import { Follower } from "./follower.js";

const PING_MS = 10000;

export class Member {
  #timer;
  #heard = false;

  /** `say(message)` reaches the hub; `lost()` is called when it answers no more. */
  constructor(options, sink, { say, lost }) {
    Object.assign(this, { sink, say, lost });
    this.follower = new Follower(options, sink);
  }

  get cursor() {
    return this.follower.cursor;
  }

  start(cursor) {
    this.follower.start(cursor);
    this.#heard = true;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#ping(), PING_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.follower.stop();
  }

  hear({ frame, state, cursor, welcome }) {
    this.#heard = true;
    if (frame) this.follower.hear(frame);
    // Told where the hub stands: what lies between is caught up with.
    if (welcome && cursor) this.follower.hear({ event: "connected", id: cursor, prev: cursor });
    if (state) this.sink.state(state);
  }

  #ping() {
    if (!this.#heard) this.lost();
    this.#heard = false;
    this.say({ ask: "ping" });
  }
}
