// A tab's end of a shared stream, whatever carries the messages: it follows the stream, and sees to it that the host lives.
import { pacedQueue } from "../pace.js";
import { GapFiller } from "./gap-filler.js";
import * as messages from "./messages.js";

/** @import { Sink, SourceOptions } from "../types.js" */
/** @import { FromTab, Message, NeedToken } from "./messages.js" */

/**
 * @typedef {object} Link What a member needs of the way that its messages travel.
 * @property {(message: FromTab) => void} say tells the host
 * @property {() => void} lost is called when the host answers no more
 * @property {(message: NeedToken) => void} [needToken] is called when the host wants a token
 */

const PING_MS = 10000;
/** In a page that was busy for long, the timer may ring before the answer that waits is heard. */
const GRACE_MS = 1000;

export class Member {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #pings;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #grace;
  #hasHeard = false;
  #isStopped = false;
  #events = pacedQueue((/** @type {{ data: Message }} */ event) => this.#take(event.data));
  /** The page is told one thing at a time: a message, or a page of the history, holds hundreds. */
  #told = pacedQueue((/** @type {() => void} */ tell) => tell());
  #sink;
  #link;
  #gapFiller;

  /**
   * @param {SourceOptions} options
   * @param {Sink} sink
   * @param {Link} link
   */
  constructor(options, sink, link) {
    this.#sink = sink;
    this.#link = link;
    this.#gapFiller = new GapFiller(options, {
      frame: (frame) => this.#told.push(() => sink.frame(frame)),
      reset: (reset) => this.#told.push(() => sink.reset(reset)),
      state: (state) => {
        this.stop();
        sink.state(state);
      },
    });
  }

  get cursor() {
    return this.#gapFiller.cursor;
  }

  /** @param {string | null} cursor */
  start(cursor) {
    this.#gapFiller.start(cursor);
    this.#isStopped = false;
    this.#hasHeard = true;
    this.#stopTimers();
    this.#pings = setInterval(() => this.#ping(), PING_MS);
  }

  /** Started again, it goes on from what the page was told. */
  stop() {
    this.#isStopped = true;
    this.#stopTimers();
    this.#events.stop();
    this.#told.stop();
    this.#gapFiller.stop();
  }

  /**
   * `event.data` is the message. Browsers unpack it only when it is looked at, which waits for its turn.
   *
   * @param {{ data: Message }} event
   */
  hear(event) {
    this.#events.push(event);
  }

  /** @param {Message} message */
  #take(message) {
    if (this.#isStopped || messages.isFromTab(message)) return; // from another tab to the host
    this.#hasHeard = true;
    if (message.type === "needToken") this.#link.needToken?.(message);
    if (message.type === "frames") {
      for (const frame of message.frames) this.#gapFiller.hear(frame);
    }
    if (message.type === "welcome" && message.cursor) {
      // Now it knows where the host stands, and reads what lies between.
      this.#gapFiller.hear({ event: "connected", id: message.cursor, prev: message.cursor });
    }
    if (message.type === "welcome" || message.type === "state") {
      const { state } = message;
      this.#told.push(() => this.#sink.state(state));
    }
  }

  #stopTimers() {
    clearInterval(this.#pings);
    clearTimeout(this.#grace);
  }

  #ping() {
    if (!this.#hasHeard) this.#grace = setTimeout(() => this.#afterGrace(), GRACE_MS);
    this.#hasHeard = false;
    this.#link.say(messages.ping());
  }

  #afterGrace() {
    if (!this.#hasHeard) this.#link.lost();
  }
}
