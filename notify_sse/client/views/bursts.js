// Many notifications, few updates: what arrives within one frame is handed over at once, and types of which the page
// said that they can wait are handed over at most every so often.

/**
 * `hand(items)` is called with what was added since the last time. `throttle`: `{type: ms}`, `"*"` for types not named;
 * a type that is not throttled is handed over with the next frame.
 */
export function bursts(hand, { throttle = {}, nextFrame = soon, now = Date.now } = {}) {
  const due = new Map(); // items by when they may go, 0 for the next frame
  const lastMs = new Map(); // when a throttled type was handed over last
  let cancel = null;
  let timer = null;

  function add(item, type) {
    const ms = throttle[type] ?? throttle["*"] ?? 0;
    const key = ms ? type : "";
    const held = due.get(key) ?? { atMs: ms ? Math.max(now(), (lastMs.get(key) ?? -Infinity) + ms) : 0, items: [] };
    held.items.push(item);
    due.set(key, held);
    plan();
  }

  function plan() {
    if (cancel || !due.size) return;
    const atMs = Math.min(...[...due.values()].map((held) => held.atMs));
    clearTimeout(timer);
    if (atMs > now()) timer = setTimeout(plan, atMs - now());
    else cancel = nextFrame(flush);
  }

  function flush() {
    cancel = null;
    const ready = [...due].filter(([, held]) => held.atMs <= now());
    for (const [key] of ready) due.delete(key), lastMs.set(key, now());
    try {
      if (ready.length) hand(ready.flatMap(([, held]) => held.items));
    } finally {
      plan(); // what waits is not lost with what could not be handed over
    }
  }

  function stop() {
    clearTimeout(timer);
    cancel?.();
    cancel = null;
    due.clear();
  }

  return { add, stop };
}

/** The next frame; in a page that paints none, a tenth of a second. Returns what cancels it. */
export function soon(act) {
  const once = () => (cancel(), act());
  const frame = globalThis.requestAnimationFrame?.(once);
  const timer = setTimeout(once, 100);
  const cancel = () => (globalThis.cancelAnimationFrame?.(frame), clearTimeout(timer));
  return cancel;
}
