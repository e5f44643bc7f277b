// One connection for all tabs of a browser: the best way that this browser has, else a connection for each tab.
import { Connection } from "../connection.js";
import { LeaderShare } from "./leader-share.js";
import { VERSION } from "./messages.js";
import { WorkerShare } from "./worker-share.js";

/** @import { ShareSink, Sink, Source, SourceOptions } from "../types.js" */

const WAYS = { worker: WorkerShare, leader: LeaderShare };

/** @implements {Source} */
export class SharedConnection {
  /** @type {Source | null} */
  #source = null;
  /** Counts the ways that were tried. One that was left says nothing more of its end. */
  #turn = 0;
  /** @type {string | null} */
  #cursor = null;
  #name;
  /** @type {("worker" | "leader")[]} */
  #ways;
  #options;
  #sink;

  /**
   * @param {SourceOptions} options
   * @param {Sink} sink
   */
  constructor(options, sink) {
    const { url, user, topics = [], transport, tokenIn, share } = options;
    this.#name = `notify-sse:${JSON.stringify([VERSION, url, user, [...topics].sort(), transport, tokenIn])}`;
    this.#ways = share === "worker" || share === "leader" ? [share] : ["worker", "leader"];
    this.#options = options;
    this.#sink = sink;
  }

  /** @param {string | null} cursor */
  start(cursor) {
    this.#cursor = cursor;
    if (this.#source) this.#source.start(cursor);
    else this.#tryNextWay();
  }

  /** @param {"closed" | "paused"} [status] */
  stop(status) {
    this.#source?.stop(status);
  }

  /** @param {boolean} changed */
  wake(changed) {
    this.#source?.wake(changed);
  }

  offline() {
    this.#source?.offline();
  }

  retryNow() {
    this.#source?.retryNow();
  }

  #tryNextWay() {
    this.#turn += 1;
    const sink = this.#sinkOf(this.#turn);
    const way = this.#ways.shift();
    this.#source = way ? new WAYS[way](this.#name, this.#options, sink) : new Connection(this.#options, sink);
    this.#source.start(this.#cursor);
  }

  /**
   * The next way goes on from the cursor of the one that works no more.
   *
   * @param {number} turn
   * @returns {ShareSink}
   */
  #sinkOf(turn) {
    const sink = this.#sink;
    return {
      state: sink.state,
      frame: (frame) => {
        this.#cursor = frame.id;
        sink.frame(frame);
      },
      reset: (reset) => {
        this.#cursor = reset.to;
        sink.reset(reset);
      },
      gone: () => {
        if (turn === this.#turn) this.#tryNextWay();
      },
    };
  }
}
