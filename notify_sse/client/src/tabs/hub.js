// The shared end of a stream: it holds the one connection, and tells every tab what happens on it.
import { Connection } from "../connection.js";

export class Hub {
  /** `post(message)` reaches every tab. */
  constructor(options, post) {
    this.post = post;
    this.connection = new Connection(options, {
      state: (state) => post({ state }),
      frame: (frame) => post({ frame }),
      reset: (data) => post({ frame: { event: "reset", id: data.to, data } }),
    });
  }

  start(cursor) {
    this.connection.start(cursor);
  }

  stop() {
    this.connection.stop();
  }

  get welcome() {
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
}
