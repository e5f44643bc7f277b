// One tab's view of a shared stream. Frames are told to all tabs at once, so a tab may have joined late, slept, or stand
// elsewhere than the tab that leads now. Every frame says which cursor it follows: a tab that is behind that cursor reads
// what lies between from the history, and holds what comes meanwhile.
import { isAfter } from "../cursor.js";
import { framesOf, readHistory } from "../history.js";
import { pause } from "../pace.js";
import { messageFor } from "../policy.js";
import { backoffMs, RULES } from "../steps.js";

/** @import { Frame, ResetData, Sink, SourceOptions } from "../types.js" */

/** Frames held while it catches up. Those beyond are dropped: what follows them shows the gap, which is read again. */
const MAX_HELD = 5000;
const PAGE_SIZE = 500;

export class GapFiller {
  /** @type {string | null} */
  cursor = null;
  /**
   * Frames that wait until it has caught up. Those that were held once are not waited for again.
   *
   * @type {{ frame: Frame, isLate: boolean }[]}
   */
  #held = [];
  /** @type {AbortController | null} */
  #reading = null;
  #isBusy = false;
  #isStopped = false;
  #options;
  #sink;
  #read;

  /**
   * @param {SourceOptions} options
   * @param {Sink} sink
   * @param {typeof readHistory} [read] for tests
   */
  constructor(options, sink, read = readHistory) {
    this.#options = options;
    this.#sink = sink;
    this.#read = read;
  }

  /** @param {string | null} cursor */
  start(cursor) {
    this.#isStopped = false;
    if (cursor) this.cursor = cursor;
  }

  stop() {
    this.#isStopped = true;
    this.#held = [];
    this.#reading?.abort();
  }

  /** @param {Frame} frame a frame of the shared stream, or its reset */
  hear(frame, isLate = false) {
    if (this.#isStopped) return;
    if (this.#isBusy) {
      this.#hold(frame, isLate);
    } else if (frame.event === "reset") {
      this.#reset(frame.data);
    } else if (!isLate && this.#isBehind(frame.prev ?? frame.id)) {
      this.#hold(frame, true);
      this.#catchUp();
    } else {
      this.#take(frame);
    }
  }

  /** @param {string} prev */
  #isBehind(prev) {
    return this.cursor && this.cursor !== prev && !isAfter(this.cursor, prev);
  }

  /** @param {Frame} frame */
  #take({ event, id, data }) {
    if (!isAfter(id, this.cursor)) return;
    this.cursor = id;
    this.#sink.frame({ event, id, data });
  }

  /** @param {ResetData} reset */
  #reset(reset) {
    this.cursor = reset.to;
    this.#sink.reset(reset);
  }

  /**
   * @param {Frame} frame
   * @param {boolean} isLate
   */
  #hold(frame, isLate) {
    this.#held.push({ frame, isLate });
    if (this.#held.length > MAX_HELD) this.#held.splice(0, MAX_HELD / 2);
  }

  async #catchUp() {
    this.#isBusy = true;
    let failures = 0;
    let hasMore = true;
    while (hasMore && !this.#isStopped) {
      try {
        hasMore = await this.#readPage();
        failures = 0;
      } catch (error) {
        if (isOtherUser(error)) {
          this.#failAsOtherUser();
          return;
        }
        failures += 1;
        await pause(backoffMs(failures, RULES));
      }
    }
    this.#isBusy = false;
    const held = this.#held;
    this.#held = [];
    for (const { frame, isLate } of held) this.hear(frame, isLate);
  }

  /** The page's own cookie or token is another user's by now. Nothing more is handed over. */
  #failAsOtherUser() {
    this.stop();
    this.#isBusy = false;
    const failed = /** @type {const} */ ({ status: "failed", reason: "other_user" });
    this.#sink.state({ ...failed, message: messageFor(failed) });
  }

  /** Hands one page over. Returns whether there is more. */
  async #readPage() {
    this.#reading = new AbortController();
    const query = { after: this.cursor ?? undefined, order: /** @type {const} */ ("asc"), limit: PAGE_SIZE };
    const page = await this.#read(this.#options, query, this.#reading.signal);
    if (this.#isStopped) return false;
    if (page.reset) this.#reset(page.reset);
    for (const frame of framesOf(page)) this.#take(frame);
    this.#take({ event: "heartbeat", id: page.cursor });
    return page.more;
  }
}

/** @param {any} error */
function isOtherUser(error) {
  return error?.code === "other_user";
}
