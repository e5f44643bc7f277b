// Many notifications, few updates: what arrives within one frame of the screen is handed over at once, and types of which the
// page said that they can wait are handed over at most every so often.

/** How long to wait for the next frame in a page that paints none, as hidden pages do. */
const NO_FRAME_MS = 100;

/**
 * Calls `hand` with what was added since the last time. `throttle` has the shortest time between two calls for a type, in ms,
 * `"*"` for types that it does not name. A type that is not throttled is handed over with the next frame.
 *
 * @template Item
 * @param {(items: Item[]) => unknown} hand
 * @param {import("./bursts.js").QueueOptions} [options]
 */
export function bursts(hand, { throttle = {}, nextFrame = soon, now = Date.now } = {}) {
  /**
   * What waits, by throttled type; all that is not throttled is under `""`. `atMs`: when it may go, 0 for the next frame.
   *
   * @type {Map<string, { atMs: number, items: Item[] }>}
   */
  const waiting = new Map();
  /**
   * When a throttled type was handed over last.
   *
   * @type {Map<string, number>}
   */
  const lastMs = new Map();
  /** @type {(() => void) | null} */
  let cancelFrame = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /**
   * @param {Item} item
   * @param {string} [type]
   */
  function add(item, type = "") {
    const waitMs = throttle[type] ?? throttle["*"] ?? 0;
    const key = waitMs ? type : "";
    let group = waiting.get(key);
    if (!group) {
      const lastAtMs = lastMs.get(key) ?? Number.NEGATIVE_INFINITY;
      group = { atMs: waitMs ? Math.max(now(), lastAtMs + waitMs) : 0, items: [] };
      waiting.set(key, group);
    }
    group.items.push(item);
    plan();
  }

  function plan() {
    if (cancelFrame || !waiting.size) return;
    const atMs = Math.min(...[...waiting.values()].map((group) => group.atMs));
    clearTimeout(timer);
    if (atMs > now()) timer = setTimeout(plan, atMs - now());
    else cancelFrame = nextFrame(flush);
  }

  function flush() {
    cancelFrame = null;
    /** @type {Item[][]} */
    const ready = [];
    for (const [key, group] of waiting) {
      if (group.atMs > now()) continue;
      waiting.delete(key);
      lastMs.set(key, now());
      ready.push(group.items);
    }
    const items = ready.flat();
    try {
      if (items.length) hand(items);
    } finally {
      plan(); // what still waits must not be lost when `hand` throws
    }
  }

  function stop() {
    clearTimeout(timer);
    cancelFrame?.();
    cancelFrame = null;
    waiting.clear();
  }

  return { add, stop };
}

/**
 * Calls `act` with the next frame. Returns the function that cancels it.
 *
 * @param {() => void} act
 */
export function soon(act) {
  const frame = globalThis.requestAnimationFrame?.(actOnce);
  const timer = setTimeout(actOnce, NO_FRAME_MS);

  function cancel() {
    globalThis.cancelAnimationFrame?.(frame);
    clearTimeout(timer);
  }

  function actOnce() {
    cancel();
    act();
  }

  return cancel;
}
