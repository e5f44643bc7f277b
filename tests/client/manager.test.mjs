// What a page holds, over EventSources that are fed by hand.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { NotificationConnectionManager } from "../../notify_sse/client/src/manager.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";

const sources = FakeEventSource.all;

beforeEach(() => {
  sources.length = 0;
  globalThis.EventSource = FakeEventSource;
});

/** A connected manager, with what it tells noted. */
async function connected(t, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const manager = new NotificationConnectionManager({
    url: "http://x/notifications",
    transport: "eventsource",
    ...options,
  });
  const told = { states: [], ids: [], resets: [] };
  manager.onState(({ status }) => told.states.push(status));
  manager.onAll(({ cursor }) => told.ids.push(cursor));
  manager.onReset(({ to }) => told.resets.push(to));
  manager.connect();
  await settled();
  sources[0].connected("e.1");
  t.after(() => manager.close());
  return { manager, told };
}

test("it can be made where there is no document, as on a server that renders", () => {
  assert.equal(new NotificationConnectionManager().options.url, "http://localhost/notifications");
  globalThis.location = { href: "http://x/app/worker.js" };
  assert.equal(new NotificationConnectionManager().options.url, "http://x/notifications");
  delete globalThis.location;
});

test("after close() no listener is called, also for a reset whose history was under way", async (t) => {
  let answer;
  globalThis.fetch = () => new Promise((resolve) => (answer = resolve));
  const { manager, told } = await connected(t);
  sources[0].say("reset", "f.5", { reason: "unknown_epoch", to: "f.5" });
  while (!answer) await new Promise(setImmediate);
  manager.close();
  answer({ ok: true, json: async () => ({ items: [], cursor: "f.5", more: false }) });
  await new Promise(setImmediate);
  assert.deepEqual(told, { states: ["connecting", "connected", "closed"], ids: [], resets: [] });
  assert.deepEqual(Object.keys(manager.state), [
    "status",
    "reason",
    "message",
    "transport",
    "attempt",
    "retryAt",
    "shared",
    "recipient",
    "error",
    "connectionId",
    "unread",
    "unreadUpto",
  ]);
});

test("other topics are read without a word of an end", async (t) => {
  const { manager, told } = await connected(t);
  sources[0].say("message", "e.2", { notification_type: "x" });
  manager.setTopics(["news"]);
  await settled();
  assert.deepEqual(
    [sources[0].readyState, sources[1].query.topics, sources[1].query.last_event_id],
    [2, "news", "e.2"],
  );
  sources[1].connected("e.2");
  assert.deepEqual(told.states, ["connecting", "connected", "connecting", "connected"]);
});

test("a listener that closes and connects again is left with one stream", async (t) => {
  const { manager } = await connected(t);
  const stop = manager.onState(({ status }) => status === "closed" && (stop(), manager.connect()));
  manager.close();
  await settled();
  assert.deepEqual(
    sources.map(({ readyState }) => readyState),
    [2, 0],
  );
  sources[1].connected("e.1");
  assert.equal(manager.state.status, "connected");
});

test("an option that is given as undefined has its default", async (t) => {
  globalThis.location = { href: "http://x/app/" };
  t.after(() => delete globalThis.location);
  const none = { url: undefined, baseMs: undefined, maxAttempts: undefined, transport: undefined, random: undefined };
  const manager = new NotificationConnectionManager(none);
  assert.equal(manager.options.url, "http://x/notifications");
  globalThis.fetch = async () => ({ status: 503 });
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  t.after(() => manager.close());
  manager.connect();
  await settled();
  sources[0].fail();
  await settled();
  const { status, retryAt } = manager.state;
  assert.equal(status, "reconnecting");
  assert.ok(Number.isFinite(retryAt), "it waits before it tries again");
});
