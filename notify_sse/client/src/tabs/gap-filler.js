// One tab's view of a shared stream. Frames are told to all tabs at once, so a tab may have joined late, slept, or
// stand elsewhere than the tab that leads now. Every frame says which cursor it follows: a tab that is behind that
// reads what lies between from the history, holding what comes meanwhile.
import { isAfter } from "../cursor.js";
import { readHistory } from "../history.js";
import { backoffMs, RULES } from "../policy.js";

/** Frames held while catching up. Those beyond are dropped: what follows them shows the gap, which is read again. */
const MAX_HELD = 5000;

export class GapFiller {
  cursor = null;
  #held = [];
  #reading = null;
  #busy = false;
  #stopped = false;

  constructor(options, sink, read = readHistory) {
    Object.assign(this, { options, sink, read });
  }

  start(cursor) {
    this.#stopped = false;
    if (cursor) this.cursor = cursor;
  }

  stop() {
    this.#stopped = true;
    this.#held = [];
    this.#reading?.abort();
  }

  /** A `frame` of the shared stream (`{event, id, prev, data}`), or its `{event: "reset", id, data}`. */
  hear(frame) {
    if (this.#stopped) return;
    if (this.#busy) return this.#hold(frame);
    if (frame.event === "reset") return this.#reset(frame.data);
    if (this.#isBehind(frame.prev ?? frame.id) && !frame.late) {
      this.#hold({ ...frame, late: true });
      this.#catchUp();
    } else this.#take(frame);
  }

  #isBehind(prev) {
    return this.cursor && this.cursor !== prev && !isAfter(this.cursor, prev);
  }

  #take({ event, id, data }) {
    if (!isAfter(id, this.cursor)) return;
    this.cursor = id;
    this.sink.frame({ event, id, data });
  }

  #reset(data) {
    this.cursor = data.to;
    this.sink.reset(data);
  }

  #hold(frame) {
    if (this.#held.push(frame) > MAX_HELD) this.#held.splice(0, MAX_HELD / 2);
  }

  async #catchUp() {
    this.#busy = true;
    for (let failures = 0; !this.#stopped; ) {
      try {
        if (!(await this.#readOn())) break;
        failures = 0;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, backoffMs(++failures, RULES)));
      }
    }
    this.#busy = false;
    this.#held.splice(0).forEach((frame) => this.hear(frame));
  }

  /** One page; whether there is more. */
  async #readOn() {
    const { signal } = (this.#reading = new AbortController());
    const page = await this.read(this.options, { after: this.cursor, order: "asc", limit: 500 }, signal);
    if (this.#stopped) return false;
    if (page.reset) this.#reset(page.reset);
    for (const item of page.items) this.#take({ event: "message", id: item.cursor, data: item });
    this.#take({ event: "heartbeat", id: page.cursor });
    return page.more;
  }
}
