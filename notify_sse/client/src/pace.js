// Hands many things over without blocking the page: after some ms of work in a row, the rest waits for the next task.
const SLICE_MS = 8;
/** Things that come this far apart are not of one row. */
const GAP_MS = 4;

/** `push(thing)` calls `act(thing)`, at once or later, in order; `stop()` forgets what waits. */
export function paced(act, nextTask = soonest) {
  let waiting = [];
  let startMs = 0;
  let lastMs = 0;

  function push(thing) {
    if (waiting.length) return waiting.push(thing);
    const nowMs = Date.now();
    if (nowMs - lastMs > GAP_MS) startMs = nowMs;
    if (nowMs - startMs > SLICE_MS) return (waiting.push(thing), nextTask(drain));
    act(thing);
    lastMs = Date.now();
  }

  function drain() {
    startMs = Date.now();
    const things = waiting;
    let done = 0;
    while (done < things.length && Date.now() - startMs <= SLICE_MS && things === waiting) act(things[done++]);
    if (things !== waiting) return; // stopped
    waiting = things.slice(done);
    lastMs = Date.now();
    if (waiting.length) nextTask(drain);
  }

  return { push, stop: () => (waiting = []) };
}

/** Not a timer: those are held back in pages that are hidden. */
export function soonest(act) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => (port1.close(), act());
  port2.postMessage(0);
}
