// Handles many items without blocking the page: after some ms of work in a row, the rest waits for the next task.
const SLICE_MS = 8;
/** Items that come this far apart do not belong to the same row. */
const GAP_MS = 4;

/**
 * A queue: `push(item)` calls `handle(item)`, at once or later, always in order; `stop()` forgets what waits.
 *
 * @template Item
 * @param {(item: Item) => unknown} handle
 * @param {(task: () => void) => unknown} [nextTask] for tests
 */
export function pacedQueue(handle, nextTask = inNextTask) {
  /** @type {Item[]} */
  let waiting = [];
  let startMs = 0;
  let lastMs = 0;

  /** @param {Item} item */
  function push(item) {
    const nowMs = Date.now();
    if (!waiting.length && nowMs - lastMs > GAP_MS) startMs = nowMs;
    // What comes while others wait, waits behind them.
    if (waiting.length || nowMs - startMs > SLICE_MS) {
      if (waiting.push(item) === 1) nextTask(drain);
      return;
    }
    handle(item);
    lastMs = Date.now();
  }

  function drain() {
    startMs = Date.now();
    const items = waiting;
    let done = 0;
    // `handle` may call `stop()`, which replaces `waiting`.
    while (done < items.length && Date.now() - startMs <= SLICE_MS && items === waiting) {
      handle(items[done]);
      done += 1;
    }
    if (items !== waiting) return;
    waiting = items.slice(done);
    lastMs = Date.now();
    if (waiting.length) nextTask(drain);
  }

  function stop() {
    waiting = [];
  }

  return { push, stop };
}

/**
 * Runs `task` as soon as the browser has handled what is due now. Not a timer: browsers delay timers in hidden pages.
 * React Native has nothing else.
 *
 * @param {() => void} task
 */
export function inNextTask(task) {
  if (!globalThis.MessageChannel) {
    setTimeout(task);
    return;
  }
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    task();
  };
  port2.postMessage(0);
}

/** @param {number} ms */
export function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
