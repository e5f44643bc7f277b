import assert from "node:assert/strict";
import { test } from "node:test";
import { bursts } from "../../notify_sse/client/views/bursts.js";

/** A page whose frames and clock are turned by hand. */
function page(t, options) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const handed = [];
  let due = null;
  const nextFrame = (act) => ((due = act), () => (due = null));
  const burst = bursts((items) => handed.push(items), { ...options, nextFrame });
  const frame = () => {
    const act = due;
    due = null;
    act?.();
  };
  return { burst, handed, frame, tick: (ms) => t.mock.timers.tick(ms) };
}

test("what comes within one frame is handed over at once", (t) => {
  const { burst, handed, frame } = page(t);
  for (let n = 0; n < 300000; n++) burst.add(n); // more than a call can have arguments
  assert.deepEqual(handed, []);
  frame();
  assert.equal(handed.length, 1);
  assert.equal(handed[0].length, 300000);
  frame();
  assert.equal(handed.length, 1);
});

test("a throttled type is handed over at most every so often, and nothing of it is lost", (t) => {
  const { burst, handed, frame, tick } = page(t, { throttle: { slow: 5000 } });
  burst.add("a", "slow");
  frame();
  burst.add("b", "slow");
  burst.add("c", "slow");
  frame();
  assert.deepEqual(handed, [["a"]]);
  tick(4999);
  frame();
  assert.deepEqual(handed, [["a"]]);
  tick(1);
  frame();
  assert.deepEqual(handed, [["a"], ["b", "c"]]);
});

test("a throttled type keeps no other waiting", (t) => {
  const { burst, handed, frame } = page(t, { throttle: { slow: 5000 } });
  burst.add("a", "slow");
  frame();
  burst.add("b", "slow");
  burst.add("now", "other");
  frame();
  assert.deepEqual(handed, [["a"], ["now"]]);
});

test("what waits is handed over also after a hand that threw", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const handed = [];
  const frames = [];
  const hand = (items) => {
    handed.push(items);
    if (handed.length === 2) throw new Error("mine");
  };
  const burst = bursts(hand, { throttle: { slow: 5000 }, nextFrame: (act) => (frames.push(act), () => {}) });
  burst.add("a", "slow");
  frames.shift()();
  burst.add("b", "slow");
  burst.add("c", "other");
  assert.throws(() => frames.shift()(), /mine/);
  t.mock.timers.tick(5000);
  frames.shift()();
  assert.deepEqual(handed, [["a"], ["c"], ["b"]]);
});

test("after stop nothing is handed over", (t) => {
  const { burst, handed, frame, tick } = page(t, { throttle: { "*": 100 } });
  burst.add("a");
  burst.stop();
  tick(1000);
  frame();
  assert.deepEqual(handed, []);
});
