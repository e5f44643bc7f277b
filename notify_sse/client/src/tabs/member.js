// A tab's end of a shared stream, whatever carries the messages: follows it, and sees to it that the other end lives.
import { paced } from "../pace.js";
import { GapFiller } from "./gap-filler.js";

const PING_MS = 10000;
/** In a page that was busy for long, the timer may ring before an answer that waits is heard. */
const GRACE_MS = 1000;

export class Member {
  #timer;
  #grace;
  #heard = false;
  #events = paced(({ data }) => this.#take(data));
  #told = paced((tell) => tell()); // one at a time: a message, or a page that was caught up with, holds hundreds

  /** `say(message)` reaches the hub; `lost()` is called when it answers no more, `wanted` when it wants a token. */
  constructor(options, sink, { say, lost, wanted }) {
    Object.assign(this, { say, lost, wanted });
    const { frame, reset, state } = sink;
    this.tellState = (value) => this.#told.push(() => state(value));
    this.follower = new GapFiller(options, {
      frame: (value) => this.#told.push(() => frame(value)),
      reset: (value) => this.#told.push(() => reset(value)),
    });
  }

  get cursor() {
    return this.follower.cursor;
  }

  start(cursor) {
    this.follower.start(cursor);
    this.#heard = true;
    this.#rest();
    this.#timer = setInterval(() => this.#ping(), PING_MS);
  }

  stop() {
    this.#rest();
    for (const queue of [this.#events, this.#told]) queue.stop(); // started again, it goes on from what the page was told
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
    if (state) this.tellState(state);
  }

  #rest() {
    clearInterval(this.#timer);
    clearTimeout(this.#grace);
  }

  #ping() {
    if (!this.#heard) this.#grace = setTimeout(() => this.#heard || this.lost(), GRACE_MS);
    this.#heard = false;
    this.say({ ask: "ping" });
  }
}
