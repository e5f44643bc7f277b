// What was read and what was taken back, as far as a view has heard: for items that are shown, and for those that still wait.
import { isAfter, isOfSameLog } from "./cursor.js";

/** @import { Notification, ReadMark } from "../notify-sse.js" */

export class Marks {
  /** @type {string | null} */
  #upto = null;
  /**
   * Single ones that were marked, read or unread again. The last word counts.
   *
   * @type {Map<string, boolean>}
   */
  #single = new Map();
  /** @type {Set<string>} */
  #recalled = new Set();

  /** @param {Pick<ReadMark, "upto" | "ids" | "read">} mark */
  add({ upto, ids, read = true }) {
    // The same place again is a word of its own: what was marked unread in between is read.
    if (upto && (!this.#upto || !isAfter(this.#upto, upto) || !isOfSameLog(upto, this.#upto))) {
      this.#upto = upto;
      this.#single.clear();
    }
    for (const id of ids ?? []) this.#single.set(id, read);
  }

  /** @param {string} id */
  recall(id) {
    this.#recalled.add(id);
  }

  /**
   * The items without those that were taken back, with `read` as it is by now. Items that do not change stay the same objects.
   *
   * @template {Notification} Item
   * @param {readonly Item[]} items
   * @returns {Item[]}
   */
  applied(items) {
    return items.filter((item) => !this.#recalled.has(item.notification_id)).map((item) => this.#marked(item));
  }

  /**
   * @template {Notification} Item
   * @param {Item} item
   * @returns {Item}
   */
  #marked(item) {
    const isUpto = this.#upto !== null && isOfSameLog(item.cursor, this.#upto) && !isAfter(item.cursor, this.#upto);
    const read = this.#single.get(item.notification_id) ?? (isUpto || item.read);
    return read === item.read || (!read && !item.read) ? item : { ...item, read };
  }

  clear() {
    this.#upto = null;
    this.#single.clear();
    this.#recalled.clear();
  }
}
