// The host's end of a shared stream: it holds the one connection, and tells every tab what happens on it.
import { Connection } from "../connection.js";
import { inNextTask } from "../pace.js";
import * as messages from "./messages.js";

/** @import { Frame, SourceOptions } from "../types.js" */
/** @import { FromHost, FromTab } from "./messages.js" */

/** Frames that come together are posted together: a message costs a tab more than a frame does. */
const MAX_BATCH = 200;

export class Host {
  /** @type {Frame[]} */
  #frames = [];
  #post;
  #connection;

  /**
   * @param {SourceOptions} options
   * @param {(message: FromHost) => void} post reaches every tab
   */
  constructor(options, post) {
    this.#post = post;
    this.#connection = new Connection(options, {
      state: (state) => {
        this.#flush();
        this.#post(messages.stateChanged(state));
      },
      frame: (frame) => this.#add(frame),
      reset: (reset) => this.#add({ event: "reset", id: reset.to, data: reset }),
    });
  }

  /** @param {string | null} cursor */
  start(cursor) {
    this.#connection.start(cursor);
  }

  /** What came is still told. Its own end is not: the tabs that stay have another host soon. */
  stop() {
    this.#flush();
    this.#post = () => {};
    this.#connection.stop();
  }

  get welcome() {
    this.#flush();
    return messages.welcome(this.#connection.state, this.#connection.cursor);
  }

  /**
   * @param {FromTab} message
   * @param {(message: FromHost) => void} reply reaches that tab at least
   */
  hear(message, reply) {
    if (message.type === "hello") reply(this.welcome);
    if (message.type === "ping") reply(messages.pong());
    if (message.type === "wake") this.#connection.wake(message.changed);
    if (message.type === "offline") this.#connection.offline();
    if (message.type === "retry") this.#connection.retryNow();
  }

  /** @param {Frame} frame */
  #add(frame) {
    this.#frames.push(frame);
    if (this.#frames.length === 1) inNextTask(() => this.#flush());
    if (this.#frames.length >= MAX_BATCH) this.#flush();
  }

  #flush() {
    const frames = this.#frames;
    this.#frames = [];
    if (frames.length) this.#post(messages.frames(frames));
  }
}
