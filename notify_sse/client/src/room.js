// Whether there is room for one more stream of this browser. Only tabs that can agree on it look: by locks, in slots.js.
import { CrowdedError } from "./errors.js";

/** @import { Slots } from "./slots.js" */

export class Room {
  /** @type {Slots | null} */
  #slots = null;
  /** Counts how often all streams were given up. What was begun before that takes no room any more. */
  #left = 0;
  #url;
  #isLimited;

  /**
   * @param {string} url of the service
   * @param {number} levels a page that chose its transport has what it wants
   */
  constructor(url, levels) {
    this.#url = url;
    this.#isLimited = levels > 1 && Boolean(globalThis.navigator?.locks);
  }

  /**
   * Waits for a place, or throws when all are taken. Only the best transport needs one of the few connections.
   *
   * @param {number} level
   * @param {boolean} isSwap it takes over from a stream that has a place
   */
  async admit(level, isSwap) {
    if (level > 0 || !this.#isLimited) return;
    const left = this.#left;
    const loaded = await import("./slots.js").catch(() => null);
    if (!loaded || left !== this.#left) return;
    this.#slots ??= new loaded.Slots(this.#url);
    if (isSwap) await this.#slots.takeTurn();
    else if (!(await this.#slots.take())) throw new CrowdedError();
  }

  endSwap() {
    this.#slots?.endTurn();
  }

  leave() {
    this.#left += 1;
    this.#slots?.leave();
  }
}
