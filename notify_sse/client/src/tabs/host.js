// The shared end of a stream: it holds the one connection, and tells every tab what happens on it.
import { Connection } from "../connection.js";
import { soonest } from "../pace.js";

/** Frames that come together are posted together: a message costs a tab more than a frame does. */
const MAX_BATCH = 200;

export class Host {
  #frames = [];

  /** `post(message)` reaches every tab. */
  constructor(options, post) {
    this.post = post;
    this.connection = new Connection(options, {
      state: (state) => (this.#flush(), this.post({ state })),
      frame: (frame) => this.#batch(frame),
      reset: (data) => this.#batch({ event: "reset", id: data.to, data }),
    });
  }

  start(cursor) {
    this.connection.start(cursor);
  }

  /** What came is still told; its own end is not, for the tabs that stay have another hub soon. */
  stop() {
    this.#flush();
    this.post = () => {};
    this.connection.stop();
  }

  get welcome() {
    this.#flush();
    return { welcome: true, state: this.connection.state, cursor: this.connection.cursor };
  }

  /** A tab's `message`; `reply(message)` reaches that tab at least. */
  hear({ ask, value }, reply) {
    if (ask === "hello") reply(this.welcome);
    if (ask === "ping") reply({ pong: true });
    if (ask === "wake") this.connection.wake(value);
    if (ask === "offline") this.connection.offline();
    if (ask === "retry") this.connection.retryNow();
  }

  #batch(frame) {
    const count = this.#frames.push(frame);
    if (count === 1) soonest(() => this.#flush());
    if (count >= MAX_BATCH) this.#flush();
  }

  #flush() {
    const frames = this.#frames.splice(0);
    if (frames.length) this.post({ frames });
  }
}
