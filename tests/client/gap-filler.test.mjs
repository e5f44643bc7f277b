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
  return { filler: new GapFiller({}, sink, read), seen, resets, log };
}

const frame = (id, prev = id - 1, epoch = "e") => ({
  event: "message",
  id: `${epoch}.${id}`,
  prev: `${epoch}.${prev}`,
  data: {},
});
const ids = (from, to, epoch = "e") => Array.from({ length: to - from + 1 }, (_, n) => `${epoch}.${from + n}`);
const settled = async (filler) => {
  for (let n = 0; n < 200; n++) await new Promise(setImmediate);
  return filler;
};

test("a tab with no cursor starts with what it hears first", () => {
  const { filler, seen, log } = world();
  [frame(5), frame(6)].forEach((one) => filler.hear(one));
  assert.deepEqual(seen, ["e.5", "e.6"]);
  assert.equal(log.reads, 0);
});

test("what it has seen already is dropped", () => {
  const { filler, seen } = world();
  filler.start("e.5");
  [frame(4), frame(5), frame(6), frame(6)].forEach((one) => filler.hear(one));
  assert.deepEqual(seen, ["e.6"]);
});

test("a tab that joins behind reads what lies between, and only then what came meanwhile", async () => {
  const { filler, seen, log } = world({ length: 50 });
  filler.start("e.10");
  filler.hear({ event: "connected", id: "e.50", prev: "e.50" });
  filler.hear(frame(51));
  filler.hear(frame(52));
  assert.deepEqual(seen, []);
  await settled(filler);
  assert.deepEqual(seen, ids(11, 52));
  assert.ok(log.reads >= 6);
});

test("a gap in what it hears is filled from the history", async () => {
  const { filler, seen } = world({ length: 9 });
  filler.start("e.5");
  filler.hear(frame(6));
  filler.hear(frame(9));
  await settled(filler);
  filler.hear(frame(10));
  assert.deepEqual(seen, ids(6, 10));
});

test("a history that cannot be read is tried again, and nothing passes it meanwhile", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { filler, seen, log } = world({ length: 8 });
  log.failures = 2;
  filler.start("e.5");
  filler.hear(frame(9, 8));
  for (let n = 0; n < 5; n++) {
    await settled(filler);
    t.mock.timers.tick(8000);
  }
  await settled(filler);
  assert.deepEqual(seen, ids(6, 9));
  assert.equal(log.reads, 3);
});

test("holding too much drops the oldest of it, which is read from the history instead", async () => {
  const { filler, seen, log } = world({ length: 10, pageSize: 500 });
  filler.start("e.1");
  filler.hear(frame(11, 10));
  for (let id = 12; id <= 6000; id++) filler.hear(frame(id));
  log.length = 6000;
  await settled(filler);
  assert.deepEqual(seen, ids(2, 6000));
});

test("a reset moves it to the new log; what the old one still says is dropped", async () => {
  const { filler, seen, resets } = world({ epoch: "f", length: 3 });
  filler.start("e.5");
  filler.hear({ event: "reset", id: "f.3", data: { to: "f.3" } });
  filler.hear(frame(4, 3, "f"));
  filler.hear(frame(6));
  await settled(filler);
  assert.deepEqual(resets, ["f.3"]);
  assert.deepEqual(seen, ["f.4"]);
});

test("a reset that it slept through is told by the history", async () => {
  const { filler, seen, resets } = world({ epoch: "f", length: 3 });
  filler.start("e.5");
  filler.hear(frame(4, 3, "f"));
  await settled(filler);
  assert.deepEqual(resets, ["f.3"]);
  assert.deepEqual(seen, ["f.4"]);
});

test("random losses, repeats and late joins: each once, in order", async () => {
  for (let seed = 1; seed <= 300; seed++) await lossyRun(seed);
});

/** 60 notifications, of which the tab does not hear some, hears some twice, and has time to read between some. */
async function lossyRun(seed) {
  const random = generator(seed);
  const { filler, seen, log } = world({ length: 0 });
  filler.start("e.0");
  let told = 0;
  for (let id = 1; id <= 60; id++) {
    log.length = id;
    if (random() < 0.3) continue; // this tab did not hear it
    const one = frame(id, id - 1);
    filler.hear(one);
    told = id;
    if (random() < 0.2) filler.hear(one);
    const steps = random() < 0.3 ? random() * 6 : 0;
    for (let n = steps; n > 0; n--) await null;
  }
  await settled(filler);
  assert.deepEqual(seen.slice(0, told), ids(1, told), `seed ${seed}`);
}

function generator(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}
