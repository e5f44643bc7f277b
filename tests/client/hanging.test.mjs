// Modules that are fetched when they are needed, over a network that hangs: nothing waits for them without end.
import assert from "node:assert/strict";
import { register } from "node:module";
import { beforeEach, test } from "node:test";
import { FakeEventSource } from "./fake-eventsource.mjs";

// From here on no fetch of these modules is ever answered.
const HANGING = ["src/trouble.js", "src/slots.js", "src/initial.js", "src/tabs/share.js"];
const hooks = `export async function load(url, context, next) {
  if (${JSON.stringify(HANGING)}.some((name) => url.endsWith(name))) await new Promise((resolve) => setTimeout(resolve, 1e9).unref());
  return next(url, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

const { Connection } = await import("../../notify_sse/client/src/connection.js");
const { NotificationConnectionManager } = await import("../../notify_sse/client/src/manager.js");

const sources = FakeEventSource.all;
const URL_OF_SERVICE = "http://x/notifications";
const SOON_MS = 2000;

/** Returns once what was promised is done: imports that hang are not. */
async function settled() {
  for (let round = 0; round < 5; round++) await new Promise(setImmediate);
}

beforeEach(() => {
  sources.length = 0;
  globalThis.EventSource = FakeEventSource;
  globalThis.fetch = async () => ({ status: 503 });
});

function clock(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  return async (ms) => (t.mock.timers.tick(ms), settled());
}

/** A connection that runs, with its states noted. */
function begun(t, options = {}) {
  const states = [];
  const frames = [];
  const connection = new Connection(
    { url: URL_OF_SERVICE, random: () => 1, transport: "eventsource", ...options },
    {
      state: ({ status }) => states.at(-1) !== status && states.push(status),
      frame: ({ id }) => frames.push(id),
      reset: () => {},
    },
  );
  connection.start("e.3");
  t.after(() => connection.stop());
  return { connection, states, frames };
}

test("a stream that ends is opened again, though what to do then cannot be fetched", async (t) => {
  const tick = clock(t);
  const { states, frames } = begun(t);
  await settled();
  sources[0].connected("e.3");
  await tick(31000); // its heartbeats stay away
  assert.deepEqual([sources[0].readyState, sources.length], [2, 1]);
  await tick(SOON_MS);
  await tick(1000);
  assert.equal(sources.length, 2);
  sources[1].connected("e.3");
  sources[1].say("message", "e.4");
  assert.deepEqual(frames, ["e.4"]);
  assert.deepEqual(states, ["connecting", "connected", "reconnecting", "connected"]);
});

test("one that is refused for load waits for as long as it is told all the same", async (t) => {
  const tick = clock(t);
  begun(t);
  await settled();
  sources[0].onopen();
  sources[0].say("closing", "", { reason: "busy", retry_ms: 7000 });
  await tick(SOON_MS);
  await tick(6000);
  assert.equal(sources.length, 1);
  await tick(1000);
  assert.equal(sources.length, 2);
});

test("it goes on trying, gives up as ever, and is brought back by hand", async (t) => {
  const tick = clock(t);
  const { connection, states } = begun(t, { maxAttempts: 3 });
  await settled();
  for (let attempt = 1; attempt <= 3; attempt++) {
    sources.at(-1).fail();
    await tick(SOON_MS);
    await tick(8000);
  }
  assert.equal(sources.length, 3);
  assert.equal(states.at(-1), "failed");
  connection.retryNow();
  await settled();
  assert.equal(sources.length, 4);
});

test("another user's stream is told of, also when that takes several tries", async (t) => {
  const tick = clock(t);
  const { states, frames } = begun(t, { recipient: "alice", maxAttempts: 2 });
  await settled();
  for (let attempt = 1; attempt <= 2; attempt++) {
    sources.at(-1).connected("e.9", "mallory");
    await tick(SOON_MS);
    await tick(8000);
  }
  assert.equal(states.at(-1), "failed");
  assert.deepEqual(frames, []);
});

test("off the network it stays offline, whatever cannot be fetched", async (t) => {
  const tick = clock(t);
  const { connection, states } = begun(t);
  await settled();
  sources[0].connected("e.3");
  connection.offline();
  await tick(8000);
  sources.at(-1).fail();
  await tick(SOON_MS);
  assert.deepEqual(states, ["connecting", "connected", "offline"]);
  connection.wake(true);
  await settled();
  sources.at(-1).connected("e.3");
  assert.equal(states.at(-1), "connected");
});

test("a first stream does not wait for the module that counts streams", async (t) => {
  const tick = clock(t);
  Object.defineProperty(globalThis, "navigator", { value: { locks: {} }, configurable: true });
  t.after(() => delete globalThis.navigator);
  begun(t, { transport: "auto" });
  await settled();
  assert.equal(sources.length, 0);
  await tick(SOON_MS);
  assert.equal(sources.length, 1);
});

test("a manager begins without sharing, and without the newest page, when those modules hang", async (t) => {
  const tick = clock(t);
  const manager = new NotificationConnectionManager({ url: URL_OF_SERVICE, user: "alice", initial: 20 });
  t.after(() => manager.close());
  manager.connect();
  await tick(SOON_MS);
  await tick(SOON_MS);
  assert.equal(sources.length, 1);
  sources[0].connected("e.3");
  assert.equal(manager.state.status, "connected");
});
