// A tab's end of a shared stream, whatever carries the messages: follows it, and sees to it that the other end lives.
import { paced } from "../pace.js";
import { Follower } from "./follower.js";

const PING_MS = 10000;

export class Member {
  #timer;
  #heard = false;
  #events = paced(({ data }) => this.#take(data));

  /** `say(message)` reaches the hub; `lost()` is called when it answers no more, `wanted` when it wants a token. */
  constructor(options, sink, { say, lost, wanted }) {
    Object.assign(this, { sink, say, lost, wanted });
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
    this.#events.stop(); // started again, it is told where the stream stands, and catches up
    this.follower.stop();
  }

  /** `event.data` is the message: browsers unpack it only when it is looked at, which waits for its turn. */
  hear(event) {
    this.#events.push(event);
  }

  #take(message) {
    const { ask, frames = [], state, cursor, welcome } = message;
    if (ask) return; // from another tab to the one that leads
    this.#heard = true;
    if (message.wanted) this.wanted(message);
    for (const frame of frames) this.follower.hear(frame);
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
