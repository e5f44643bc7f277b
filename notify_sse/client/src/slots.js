// Over HTTP/1.1 a browser opens six connections to an origin, for all tabs together: with six streams open, no page of the site
// loads. So all connections of a browser agree, by locks, on at most four streams: three that stay, and one that takes over.
import { CrowdedError } from "./errors.js";

const SLOTS = 3;

let hasWarned = false;

/**
 * What the names of the locks begin with, for the origin of this address.
 *
 * @param {string} url of the service
 */
export function lockPrefix(url) {
  return `notify-sse:stream:${new URL(url).origin}:`;
}

export class Slots {
  /** @type {(() => void) | null} */
  #leaveSlot = null;
  /** @type {AbortController | null} */
  #turn = null;
  /** Counts how often the slot was left. One that comes after that is given back. */
  #left = 0;
  #origin;
  #prefix;

  /** @param {string} url of the service */
  constructor(url) {
    this.#prefix = lockPrefix(url);
    this.#origin = new URL(url).origin;
  }

  /** Whether there is room for a stream that stays. */
  async take() {
    const left = this.#left;
    for (let slot = 1; slot <= SLOTS && !this.#leaveSlot; slot += 1) {
      if (isMultiplexed(this.#origin)) return true;
      const leaveSlot = await hold(`${this.#prefix}${slot}`, { ifAvailable: true });
      if (leaveSlot && left === this.#left && !this.#leaveSlot) this.#leaveSlot = leaveSlot;
      else leaveSlot?.();
      if (left !== this.#left) return false;
    }
    if (!this.#leaveSlot) warn();
    return this.#leaveSlot !== null;
  }

  /**
   * Waits for a place, or throws when all are taken.
   *
   * @param {boolean} isSwap it takes over from a stream that has a place
   */
  async admit(isSwap) {
    if (isSwap) await this.takeTurn();
    else if (!(await this.take())) throw new CrowdedError();
  }

  /** Waits until it may open a second stream, which is to take over from the first. */
  async takeTurn() {
    this.endTurn();
    if (isMultiplexed(this.#origin)) return;
    const turn = new AbortController();
    this.#turn = turn;
    const release = await hold(`${this.#prefix}swap`, { signal: turn.signal });
    if (turn.signal.aborted) release?.();
    else turn.signal.addEventListener("abort", () => release?.());
  }

  endTurn() {
    this.#turn?.abort();
    this.#turn = null;
  }

  leave() {
    this.endTurn();
    this.#left += 1;
    this.#leaveSlot?.();
    this.#leaveSlot = null;
  }
}

/**
 * Gets a lock. Returns what gives it back, null when another has it. Where there are no locks everything is allowed.
 *
 * @param {string} name
 * @param {LockOptions} options
 * @returns {Promise<(() => void) | null>}
 */
function hold(name, options) {
  return new Promise((resolve) => {
    const allow = () => resolve(() => {});
    const { locks } = globalThis.navigator ?? {};
    if (!locks) return allow();
    const held = (/** @type {Lock | null} */ lock) =>
      lock ? new Promise((/** @type {(value: void) => void} */ release) => resolve(release)) : resolve(null);
    locks.request(name, options, held).catch(allow);
  });
}

/**
 * Whether the browser has spoken HTTP/2 or later with this origin: there one connection carries all.
 *
 * @param {string} origin
 */
function isMultiplexed(origin) {
  const { performance } = globalThis;
  const entries = /** @type {PerformanceResourceTiming[]} */ (
    ["navigation", "resource"].flatMap((type) => performance?.getEntriesByType?.(type) ?? [])
  );
  return entries.some(({ name, nextHopProtocol }) => name.startsWith(`${origin}/`) && /^h[23]/.test(nextHopProtocol));
}

function warn() {
  if (hasWarned) return;
  hasWarned = true;
  console.warn(
    `notify-sse: ${SLOTS} tabs have streams over HTTP/1.1, and one more would keep pages from loading. This one uses a WebSocket. ` +
      "Give the option `user`, so that tabs share one connection, or serve over HTTP/2.",
  );
}
