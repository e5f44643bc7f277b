// One connection for all tabs of a browser: the best way that this browser has, else a connection for each tab. Tabs share only
// what is one recipient's, and that the service says: two tabs may name the same user and bring tokens of two.
import { Connection } from "../connection.js";
import { readHistory } from "../history.js";
import { inTime } from "../in-time.js";
import { LeaderShare } from "./leader-share.js";
import { nameFor } from "./name.js";
import { WorkerShare } from "./worker-share.js";

/** @import { ConnectionState } from "../../notify-sse.js" */
/** @import { ShareSink, Sink, Source, SourceOptions } from "../types.js" */

/** @type {Partial<ConnectionState>} */
const OFFLINE = { status: "offline", reason: "offline" };
const WAYS = { worker: WorkerShare, leader: LeaderShare };

/** @implements {Source} */
export class SharedConnection {
  /** @type {Source | null} */
  #source = null;
  /** Counts the ways that were tried. One that was left says nothing more of its end. */
  #turn = 0;
  /** @type {string | null} */
  #cursor = null;
  /** It begins, and has no source yet. */
  #isBeginning = false;
  /** The browser said that there is no network: a source that begins now is told so. */
  #isOffline = false;
  /** @type {("worker" | "leader")[]} */
  #ways;
  /**
   * What this tab's `getToken` threw last: the host, which asked for the token, only has the words.
   *
   * @type {unknown}
   */
  #tokenCause = null;
  #options;
  #sink;

  /**
   * @param {SourceOptions} options
   * @param {Sink} sink
   */
  constructor(options, sink) {
    const { share, getToken } = options;
    this.#ways = share === "worker" || share === "leader" ? [share] : ["worker", "leader"];
    this.#options = { ...options, getToken: getToken && this.#noting(getToken) };
    this.#sink = {
      ...sink,
      state: (/** @type {Partial<ConnectionState>} */ state) => sink.state(this.#withCause(state)),
    };
  }

  /** @param {string | null} cursor */
  start(cursor) {
    this.#cursor = cursor;
    if (this.#source) this.#source.start(cursor);
    else this.#begin();
  }

  /** @param {"closed" | "paused"} [status] */
  stop(status = "closed") {
    if (this.#source) {
      this.#source.stop(status);
    } else {
      this.#turn += 1; // an answer that is under way starts nothing
      this.#isBeginning = false;
      this.#sink.state({ status });
    }
  }

  /** @param {boolean} changed */
  wake(changed) {
    if (changed) this.#isOffline = false;
    if (this.#source) this.#source.wake(changed);
    else if (changed) this.retryNow();
  }

  offline() {
    this.#isOffline = true;
    if (this.#source) this.#source.offline();
    else if (this.#isBeginning) this.#sink.state(OFFLINE);
  }

  retryNow() {
    if (this.#source) this.#source.retryNow();
    else if (this.#isBeginning) this.#begin(); // what was asked may hang
  }

  /**
   * @param {NonNullable<SourceOptions["getToken"]>} getToken
   * @returns {NonNullable<SourceOptions["getToken"]>}
   */
  #noting(getToken) {
    return async (wanted) => {
      try {
        return await getToken(wanted);
      } catch (cause) {
        this.#tokenCause = cause;
        throw cause;
      }
    };
  }

  /** @param {Partial<ConnectionState>} state */
  #withCause(state) {
    const { error } = state;
    if (error?.code !== "token") return state;
    return { ...state, error: { ...error, cause: error.cause ?? this.#tokenCause } };
  }

  async #begin() {
    this.#turn += 1;
    const turn = this.#turn;
    this.#isBeginning = true;
    this.#sink.state(this.#isOffline ? OFFLINE : { status: "connecting" });
    const known = this.#options.recipient;
    const page = known ? { recipient_id: known, cursor: null } : await inTime(readHistory(this.#options, { limit: 1 }));
    if (turn !== this.#turn) return;
    if (page) this.#shareAs(page.recipient_id ?? null, page.cursor);
    else this.#askByStream();
  }

  /**
   * A source that begins while there is no network is told so.
   *
   * @param {Source} source
   */
  #follow(source) {
    this.#isBeginning = false;
    this.#source = source;
    source.start(this.#cursor);
    if (this.#isOffline) source.offline();
  }

  /**
   * @param {string | null} recipient null for a service of an earlier version: tabs go by what the page calls its user
   * @param {string | null} [cursor] where the log ended when the service said so: nothing after it is to be missed
   */
  #shareAs(recipient, cursor = null) {
    const { cursorOf } = this.#options;
    if (recipient && cursorOf && cursorOf !== recipient) this.#cursor = null; // it was kept for another user
    this.#options = { ...this.#options, recipient, cursorOf: null };
    if (cursor && !this.#cursor) {
      this.#cursor = cursor;
      this.#sink.frame({ event: "heartbeat", id: cursor, data: {} });
    }
    this.#tryNextWay();
  }

  /** The service did not answer. A connection of this tab's own knows all about trying again; once it is up, it is shared. */
  #askByStream() {
    const turn = this.#turn;
    const sink = this.#sinkOf(turn);
    const connection = new Connection(this.#options, {
      ...sink,
      state: async (state) => {
        if (state.status !== "connected") {
          sink.state(state);
          return;
        }
        await null; // what came with it is handled first
        if (turn !== this.#turn || this.#source !== connection) return;
        connection.stop();
        this.#cursor = connection.cursor;
        this.#shareAs(connection.recipient);
      },
    });
    this.#follow(connection);
  }

  #tryNextWay() {
    this.#turn += 1;
    const sink = this.#sinkOf(this.#turn);
    const way = this.#ways.shift();
    this.#follow(
      way ? new WAYS[way](nameFor(this.#options), this.#options, sink) : new Connection(this.#options, sink),
    );
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
