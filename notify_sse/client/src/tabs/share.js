// One connection for all tabs of a browser: the best way that this browser has, else one each.
import { Connection } from "../connection.js";
import { LeaderShare } from "./leader-share.js";
import { WorkerShare } from "./worker-share.js";

const WAYS = { worker: WorkerShare, leader: LeaderShare };

export class SharedConnection {
  #source = null;
  #turn = 0;

  constructor(options, sink) {
    const { url, user, topics, transport, tokenIn, share } = options;
    this.name = `notify-sse:${JSON.stringify([1, url, user, [...topics].sort(), transport, tokenIn])}`;
    this.ways = share === "auto" ? ["worker", "leader"] : [share];
    Object.assign(this, { options, sink });
  }

  start(cursor) {
    this.cursor = cursor;
    if (this.#source) this.#source.start(cursor);
    else this.#begin();
  }

  stop(status) {
    this.#source?.stop(status);
  }

  wake(changed) {
    this.#source?.wake(changed);
  }

  offline() {
    this.#source?.offline();
  }

  retryNow() {
    this.#source?.retryNow();
  }

  #begin() {
    const turn = ++this.#turn;
    const Way = WAYS[this.ways.shift()];
    const sink = this.#sink(() => turn === this.#turn && this.#begin());
    this.#source = Way ? new Way(this.name, this.options, sink) : new Connection(this.options, sink);
    this.#source.start(this.cursor);
  }

  /** `gone` is called by a way that does not work (any more): the next one goes on from the same cursor. */
  #sink(gone) {
    const { state, frame, reset } = this.sink;
    return {
      state,
      frame: (heard) => ((this.cursor = heard.id), frame(heard)),
      reset: (data) => ((this.cursor = data.to), reset(data)),
      gone,
    };
  }
}
