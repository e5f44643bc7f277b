// `initial`, where the module that reads the newest page hangs when the page begins: it comes once it can be had.
import assert from "node:assert/strict";
import { register } from "node:module";
import { test } from "node:test";
import { FakeEventSource } from "./fake-eventsource.mjs";

// The module is not given before this is set: 0 waits, 1 gives it.
const isGiven = new Int32Array(new SharedArrayBuffer(4));
const hooks = `let isGiven;
export function initialize(flag) { isGiven = flag; }
export async function load(url, context, next) {
  while (url.endsWith("src/initial.js") && !Atomics.load(isGiven, 0)) await new Promise((resolve) => setTimeout(resolve, 2));
  return next(url, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`, { data: isGiven });

const { NotificationConnectionManager } = await import("../../notify_sse/client/src/manager.js");

const sources = FakeEventSource.all;
const turn = () => new Promise(setImmediate);

/** Returns once `condition` holds, or after so many turns that it never will: modules come from another thread. */
async function until(condition) {
  const began = performance.now();
  while (!condition() && performance.now() - began < 5000) await turn();
}

/** The newest page of a log of `n` notifications. */
function stored(n) {
  const items = Array.from({ length: n }, (_, index) => ({ cursor: `e.${n - index}`, notification_type: "x" }));
  return async (url) => {
    const newest = items.slice(0, Number(url.searchParams.get("limit")));
    return { ok: true, status: 200, json: async () => ({ items: newest, cursor: `e.${n}`, recipient_id: "alice" }) };
  };
}

test("a module that hangs holds nothing up; the newest page comes late, without what the stream has brought", async (t) => {
  globalThis.EventSource = FakeEventSource;
  globalThis.fetch = stored(31);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const manager = new NotificationConnectionManager({ url: "http://x/notifications", initial: 3 });
  t.after(() => manager.close());
  const told = [];
  manager.onAll(({ cursor, initial = false }) => told.push([cursor, initial]));
  manager.connect();
  await turn();
  assert.equal(sources.length, 0);
  t.mock.timers.tick(2000);
  await until(() => sources.length);
  sources[0].connected("e.30", "alice");
  sources[0].say("message", "e.31", { notification_type: "x" });
  await turn();
  assert.deepEqual(told, [["e.31", false]]);
  Atomics.store(isGiven, 0, 1);
  await until(() => told.length === 3);
  assert.deepEqual(told.slice(1), [
    ["e.29", true],
    ["e.30", true],
  ]);
  sources[0].connected("e.31", "alice");
  await turn();
  assert.equal(told.length, 3, "once");
});

test("a cursor that was kept for somebody else holds nothing back: the stream goes on from the end of the page", async (t) => {
  sources.length = 0;
  globalThis.fetch = stored(31);
  const kept = new Map([["notify-sse:http://x/notifications:", "e.29 bob"]]);
  globalThis.sessionStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
  };
  t.after(() => delete globalThis.sessionStorage);
  const manager = new NotificationConnectionManager({ url: "http://x/notifications", initial: 3 });
  t.after(() => manager.close());
  const told = [];
  manager.onAll(({ cursor }) => told.push(cursor));
  manager.connect();
  await until(() => sources.length);
  sources[0].connected("e.31", "alice");
  await turn();
  assert.deepEqual(told, ["e.29", "e.30", "e.31"]);
  assert.deepEqual([sources.length, sources[0].query.last_event_id], [1, "e.31"]);
});
