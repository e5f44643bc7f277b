import assert from "node:assert/strict";
import { test } from "node:test";
import { inNextTask, pacedQueue } from "../../notify_sse/client/src/pace.js";

/** Work that takes `costMs` a thing, on a clock of our own. */
function world(t, costMs) {
  t.mock.timers.enable({ apis: ["Date"] });
  const tasks = [];
  const done = [];
  const act = (thing) => {
    t.mock.timers.tick(costMs);
    done.push(thing);
  };
  const pace = pacedQueue(act, (task) => tasks.push(task));
  /** Runs the next task; how long it took. */
  const turn = () => {
    const startMs = Date.now();
    tasks.shift()();
    return Date.now() - startMs;
  };
  return { pace, done, tasks, turn };
}

const range = (count) => Array.from({ length: count }, (_, n) => n);

test("a few things are done at once", (t) => {
  const { pace, done, tasks } = world(t, 1);
  [1, 2, 3].forEach(pace.push);
  assert.deepEqual(done, [1, 2, 3]);
  assert.equal(tasks.length, 0);
});

test("many are done in slices, in order, and no slice is long", (t) => {
  const { pace, done, tasks, turn } = world(t, 1);
  range(1000).forEach(pace.push);
  assert.ok(done.length <= 10);
  while (tasks.length) assert.ok(turn() <= 10);
  assert.deepEqual(done, range(1000));
});

test("what comes while others wait, waits behind them", (t) => {
  const { pace, done, tasks, turn } = world(t, 5);
  range(10).forEach(pace.push);
  t.mock.timers.tick(100);
  pace.push(10);
  while (tasks.length) turn();
  assert.deepEqual(done, range(11));
});

test("slow work is sliced too", (t) => {
  const { pace, tasks, turn } = world(t, 20);
  range(5).forEach(pace.push);
  while (tasks.length) assert.ok(turn() <= 20);
});

test("after stop nothing is done, also when it is stopped by what is being done", (t) => {
  t.mock.timers.enable({ apis: ["Date"] });
  const tasks = [];
  const done = [];
  const pace = pacedQueue(
    (thing) => (t.mock.timers.tick(3), done.push(thing), thing === 5 && pace.stop()),
    (task) => tasks.push(task),
  );
  range(10).forEach(pace.push);
  while (tasks.length) tasks.shift()();
  assert.deepEqual(done, range(6));
});

test("where there is no MessageChannel, as in React Native, the next task is a timer", async (t) => {
  const { MessageChannel } = globalThis;
  t.after(() => (globalThis.MessageChannel = MessageChannel));
  globalThis.MessageChannel = undefined;
  await new Promise(inNextTask);
});
