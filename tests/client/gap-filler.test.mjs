// One tab's view of a shared stream: whatever it missed, its page sees each notification once and in order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { GapFiller } from "../../notify_sse/client/src/tabs/gap-filler.js";

/** A log of `length` notifications, read in pages; what is sent in `epoch`. */
function world({ length = 100, epoch = "e", pageSize = 7 } = {}) {
  const seen = [];
  const resets = [];
  const log = { epoch, length, reads: 0, failures: 0 };
  const read = async (_, { after }) => {
    log.reads++;
    await null;
    if (log.failures-- > 0) throw new Error("no network");
    const [given, id] = after.split(".");
    if (given !== log.epoch)
      return {
        items: [],
        cursor: `${log.epoch}.${log.length}`,
        more: false,
        reset: { to: `${log.epoch}.${log.length}` },
      };
    const upto = Math.min(+id + pageSize, log.length);
    const items = Array.from({ length: upto - id }, (_, n) => ({ cursor: `${log.epoch}.${+id + n + 1}` }));
    return { items, cursor: `${log.epoch}.${upto}`, more: upto < log.length, reset: null };
  };
  const sink = {
    frame: ({ event, id }) => event === "message" && seen.push(id),
    reset: (data) => resets.push(data.to),
  };
  return { follower: new GapFiller({}, sink, read), seen, resets, log };
}

const frame = (id, prev = id - 1, epoch = "e") => ({
  event: "message",
  id: `${epoch}.${id}`,
  prev: `${epoch}.${prev}`,
  data: {},
});
const ids = (from, to, epoch = "e") => Array.from({ length: to - from + 1 }, (_, n) => `${epoch}.${from + n}`);
const settled = async (follower) => {
  for (let n = 0; n < 200; n++) await new Promise(setImmediate);
  return follower;
};

test("a tab with no cursor starts with what it hears first", () => {
  const { follower, seen, log } = world();
  [frame(5), frame(6)].forEach((one) => follower.hear(one));
  assert.deepEqual(seen, ["e.5", "e.6"]);
  assert.equal(log.reads, 0);
});

test("what it has seen already is dropped", () => {
  const { follower, seen } = world();
  follower.start("e.5");
  [frame(4), frame(5), frame(6), frame(6)].forEach((one) => follower.hear(one));
  assert.deepEqual(seen, ["e.6"]);
});

test("a tab that joins behind reads what lies between, and only then what came meanwhile", async () => {
  const { follower, seen, log } = world({ length: 50 });
  follower.start("e.10");
  follower.hear({ event: "connected", id: "e.50", prev: "e.50" });
  follower.hear(frame(51));
  follower.hear(frame(52));
  assert.deepEqual(seen, []);
  await settled(follower);
  assert.deepEqual(seen, ids(11, 52));
  assert.ok(log.reads >= 6);
});

test("a gap in what it hears is filled from the history", async () => {
  const { follower, seen } = world({ length: 9 });
  follower.start("e.5");
  follower.hear(frame(6));
  follower.hear(frame(9));
  await settled(follower);
  follower.hear(frame(10));
  assert.deepEqual(seen, ids(6, 10));
});

test("a history that cannot be read is tried again, and nothing passes it meanwhile", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { follower, seen, log } = world({ length: 8 });
  log.failures = 2;
  follower.start("e.5");
  follower.hear(frame(9, 8));
  for (let n = 0; n < 5; n++) {
    await settled(follower);
    t.mock.timers.tick(8000);
  }
  await settled(follower);
  assert.deepEqual(seen, ids(6, 9));
  assert.equal(log.reads, 3);
});

test("holding too much drops the oldest of it, which is read from the history instead", async () => {
  const { follower, seen, log } = world({ length: 10, pageSize: 500 });
  follower.start("e.1");
  follower.hear(frame(11, 10));
  for (let id = 12; id <= 6000; id++) follower.hear(frame(id));
  log.length = 6000;
  await settled(follower);
  assert.deepEqual(seen, ids(2, 6000));
});

test("a reset moves it to the new log; what the old one still says is dropped", async () => {
  const { follower, seen, resets } = world({ epoch: "f", length: 3 });
  follower.start("e.5");
  follower.hear({ event: "reset", id: "f.3", data: { to: "f.3" } });
  follower.hear(frame(4, 3, "f"));
  follower.hear(frame(6));
  await settled(follower);
  assert.deepEqual(resets, ["f.3"]);
  assert.deepEqual(seen, ["f.4"]);
});

test("a reset that it slept through is told by the history", async () => {
  const { follower, seen, resets } = world({ epoch: "f", length: 3 });
  follower.start("e.5");
  follower.hear(frame(4, 3, "f"));
  await settled(follower);
  assert.deepEqual(resets, ["f.3"]);
  assert.deepEqual(seen, ["f.4"]);
});

test("random losses, repeats and late joins: each once, in order", async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = generator(seed);
    const { follower, seen, log } = world({ length: 0 });
    follower.start("e.0");
    let told = 0;
    for (let id = 1; id <= 60; id++) {
      log.length = id;
      if (random() < 0.3) continue; // this tab did not hear it
      const one = frame(id, id - 1);
      follower.hear(one);
      told = id;
      if (random() < 0.2) follower.hear(one);
      if (random() < 0.3) for (let n = random() * 6; n > 0; n--) await null;
    }
    await settled(follower);
    assert.deepEqual(seen.slice(0, told), ids(1, told), `seed ${seed}`);
  }
});

function generator(seed) {
  return () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
}
