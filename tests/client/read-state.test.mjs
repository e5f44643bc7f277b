// What is read, on any device, and how much is not: what the service counts is what the store shows.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { framesOf } from "../../notify_sse/client/src/history.js";
import { NotificationConnectionManager } from "../../notify_sse/client/src/manager.js";
import { createNotificationStore } from "../../notify_sse/client/views/store.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";
import { frames } from "./fake-manager.mjs";

const sources = FakeEventSource.all;
const URL_OF = "http://x/notifications";

beforeEach(() => {
  sources.length = 0;
  globalThis.EventSource = FakeEventSource;
});

/** A connected manager and its store; `connected` is what the service says first. */
async function begun(t, connected = {}, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const asked = [];
  globalThis.fetch = async (url, init = {}) => {
    asked.push([url.pathname, init.method ?? "GET", init.body && JSON.parse(init.body), init.headers.authorization]);
    return Response.json({ unread: 4, read_upto: "e.5", cursor: "e.8" });
  };
  const manager = new NotificationConnectionManager({
    url: URL_OF,
    transport: "eventsource",
    cursor: "e.5",
    ...options,
  });
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame });
  manager.connect();
  await settled();
  t.after(() => manager.close());
  sources[0].onopen();
  sources[0].say("connected", "e.5", { heartbeat_s: 15, connection_id: "c1", recipient_id: "alice", ...connected });
  const send = (n, more = {}) =>
    sources
      .at(-1)
      .say("message", `e.${n}`, { notification_id: `n${n}`, notification_type: "x", recipient_id: "alice", ...more });
  return { manager, store, asked, paint, send };
}

const readsOf = (store) => store.getState().items.map(({ notification_id: id, read }) => [id, Boolean(read)]);

test("the number is the service's: what is replayed is counted already, what comes after is added", async (t) => {
  const { store, send, paint } = await begun(t, { unread: 7, unread_upto: "e.8" });
  assert.deepEqual([store.getState().unread, store.getState().countedBy], [7, "service"]);
  for (const n of [6, 7, 8]) send(n);
  paint();
  assert.equal(store.getState().unread, 7, "they were missed, and counted when the stream was opened");
  send(9);
  send(10, { silent: true });
  send(11, { recipient_id: undefined, topic: "all" });
  paint();
  assert.equal(store.getState().unread, 8, "silent ones and those of topics do not count");
});

test("what is read on another device is read here, in its place in the stream", async (t) => {
  const { store, send, paint } = await begun(t, { unread: 0, unread_upto: "e.5" });
  for (const n of [6, 7, 8]) send(n);
  sources[0].say("read", "e.9", { upto: "e.7", ids: null, read: true, unread: 1 });
  send(10);
  paint();
  assert.equal(store.getState().unread, 2);
  assert.deepEqual(readsOf(store), [
    ["n10", false],
    ["n8", false],
    ["n7", true],
    ["n6", true],
  ]);
  sources[0].say("read", "e.11", { upto: null, ids: ["n6"], read: false, unread: 3 });
  assert.deepEqual([store.getState().unread, readsOf(store).at(-1)], [3, ["n6", false]]);
});

test("a read mark that is replayed does not take the number back", async (t) => {
  const { store } = await begun(t, { unread: 2, unread_upto: "e.9" });
  sources[0].say("read", "e.6", { upto: "e.5", ids: null, read: true, unread: 0 });
  assert.equal(store.getState().unread, 2);
});

test("one that was recalled is gone, whether it was shown or still waits", async (t) => {
  const { store, send, paint } = await begun(t, { unread: 0, unread_upto: "e.5" });
  send(6);
  paint();
  send(7);
  send(8);
  sources[0].say("recalled", "e.9", { notification_id: "n6" });
  sources[0].say("recalled", "e.10", { notification_id: "n7" });
  paint();
  assert.deepEqual(readsOf(store), [["n8", false]]);
});

test("marking tells the service, and shows it at once", async (t) => {
  const { store, send, paint, asked } = await begun(t, { unread: 3, unread_upto: "e.5" }, { getToken: () => "t" });
  for (const n of [6, 7]) send(n);
  paint();
  await store.markRead(["n6"]);
  assert.deepEqual(readsOf(store), [
    ["n7", false],
    ["n6", true],
  ]);
  await store.markAllRead();
  assert.deepEqual([store.getState().unread, readsOf(store)[0]], [0, ["n7", true]]);
  assert.deepEqual(asked, [
    ["/notifications/read", "POST", { ids: ["n6"], read: true }, "Bearer t"],
    ["/notifications/read", "POST", { upto: "e.7" }, "Bearer t"],
  ]);
});

test("what the service cannot be told is taken back", async (t) => {
  const { store, send, paint } = await begun(t, { unread: 3, unread_upto: "e.5" });
  for (const n of [6, 7]) send(n);
  paint();
  globalThis.fetch = async () => ({ ok: false, status: 503, headers: new Headers() });
  assert.equal(await store.markAllRead(), false);
  assert.deepEqual(
    [store.getState().unread, readsOf(store)],
    [
      5,
      [
        ["n7", false],
        ["n6", false],
      ],
    ],
  );
  assert.equal(await store.markRead(["n6"]), false);
  assert.deepEqual([store.getState().unread, readsOf(store)[1]], [5, ["n6", false]]);
});

test("where the service does not keep it, the page counts for itself", async (t) => {
  const { store, send, paint, manager } = await begun(t);
  globalThis.fetch = async () => ({ ok: false, status: 404, headers: new Headers() });
  for (const n of [6, 7, 8]) send(n);
  paint();
  assert.deepEqual([store.getState().unread, store.getState().countedBy], [3, "page"]);
  await store.markRead(["n7"]);
  assert.equal(store.getState().unread, 2);
  await store.markAllRead();
  assert.equal(store.getState().unread, 0);
  assert.equal(await manager.markRead("e.8"), null);
});

test("what one view of a page marks, the others show: a list and an inbox", async (t) => {
  const { store, send, paint, manager } = await begun(t);
  const other = frames();
  const inbox = createNotificationStore(manager, { nextFrame: other.nextFrame });
  globalThis.fetch = async () => ({ ok: false, status: 404, headers: new Headers() });
  for (const n of [6, 7]) send(n);
  paint();
  other.paint();
  await inbox.markRead(["n6"]);
  assert.deepEqual(
    [store.getState().unread, readsOf(store)],
    [
      1,
      [
        ["n7", false],
        ["n6", true],
      ],
    ],
  );
  await store.markAllRead();
  assert.deepEqual([inbox.getState().unread, readsOf(inbox)[0]], [0, ["n7", true]]);
  inbox.destroy();
});

test("what was read of one log says nothing of another one", async (t) => {
  const { store, send, paint, manager } = await begun(t);
  globalThis.fetch = async () => ({ ok: false, status: 404, headers: new Headers() });
  send(6);
  paint();
  await store.markAllRead();
  sources[0].say("reset", "f.1", { reason: "unknown_epoch", to: "f.1" });
  sources[0].say("message", "f.2", { notification_id: "m2", notification_type: "x", recipient_id: "alice" });
  paint();
  assert.deepEqual(
    [manager.cursor, store.getState().unread, readsOf(store)],
    [
      "f.2",
      1,
      [
        ["m2", false],
        ["n6", true],
      ],
    ],
  );
});

test("the number goes on in a new log", async (t) => {
  const { store, send } = await begun(t, { unread: 0, unread_upto: "e.5" });
  send(6);
  sources[0].say("reset", "f.1", { reason: "unknown_epoch", to: "f.1" });
  sources[0].say("message", "f.2", { notification_id: "m2", notification_type: "x", recipient_id: "alice" });
  assert.equal(store.getState().unread, 2);
});

test("nothing of the number stays after a sign-out", async (t) => {
  const { store, manager } = await begun(t, { unread: 7, unread_upto: "e.8" });
  manager.signOut();
  assert.deepEqual([store.getState().unread, store.getState().countedBy], [0, "page"]);
});

test("a page of the history gives what a stream would have sent: marks in their places", () => {
  const item = (n) => ({ cursor: `e.${n}` });
  const events = [{ event: "read", cursor: "e.2", data: { unread: 0 } }];
  assert.deepEqual(
    framesOf({ items: [item(1), item(3)], events }).map(({ event, id }) => [event, id]),
    [
      ["message", "e.1"],
      ["read", "e.2"],
      ["message", "e.3"],
    ],
  );
  assert.deepEqual(framesOf({ items: [] }), []);
});

/** The newest page of a log of `n` notifications. */
function history(n, unread) {
  const items = Array.from({ length: n }, (_, index) => ({
    cursor: `e.${n - index}`,
    notification_id: `n${n - index}`,
    notification_type: "x",
  }));
  return async (url) => {
    const limit = Number(url.searchParams.get("limit"));
    return {
      ok: true,
      status: 200,
      json: async () => ({
        items: items.slice(0, limit),
        cursor: `e.${n}`,
        more: n > limit,
        recipient_id: "alice",
        unread,
      }),
    };
  };
}

/** A manager that begins with the newest ones, and what it tells, oldest first. */
async function fresh(t, options) {
  const manager = new NotificationConnectionManager({ url: URL_OF, transport: "eventsource", ...options });
  const told = [];
  manager.onAll(({ cursor, initial = false }) => told.push([cursor, initial]));
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame });
  manager.connect();
  t.after(() => manager.close());
  while (!sources.length) await new Promise(setImmediate);
  await settled();
  return { manager, told, store, paint };
}

test("`initial`: the newest ones first, oldest of them first, then the stream from there", async (t) => {
  globalThis.fetch = history(30);
  const { told, store, paint } = await fresh(t, { initial: 3 });
  assert.deepEqual(told, [
    ["e.28", true],
    ["e.29", true],
    ["e.30", true],
  ]);
  assert.equal(sources[0].query.last_event_id, "e.30");
  sources[0].connected("e.30", "alice");
  sources[0].say("message", "e.31", { notification_type: "x" });
  paint();
  const { items, unread, last } = store.getState();
  assert.deepEqual([items.length, unread, last.cursor], [4, 1, "e.31"], "what was there before is no news");
});

test("`initial` with a kept cursor: what was missed comes by the stream, each once", async (t) => {
  globalThis.fetch = history(30);
  const { told } = await fresh(t, { initial: 3, cursor: "e.29" });
  assert.deepEqual(told, [
    ["e.28", true],
    ["e.29", true],
  ]);
  assert.equal(sources[0].query.last_event_id, "e.29");
  sources[0].connected("e.29", "alice");
  sources[0].say("message", "e.30", { notification_type: "x" });
  assert.deepEqual(told.at(-1), ["e.30", false]);
});

test("`initial` without an answer: the stream begins all the same, and the page comes once there is a connection", async (t) => {
  globalThis.fetch = async () => {
    throw new TypeError("Failed to fetch");
  };
  const { told } = await fresh(t, { initial: 3 });
  assert.deepEqual([told, sources.length], [[], 1]);
  globalThis.fetch = history(30);
  sources[0].connected("e.30", "alice");
  await new Promise(setImmediate);
  await settled();
  assert.deepEqual(
    told.map(([cursor]) => cursor),
    ["e.28", "e.29", "e.30"],
  );
});

test("a store asks for the newest ones by itself, once there is a connection", async (t) => {
  globalThis.fetch = history(30);
  const manager = new NotificationConnectionManager({ url: URL_OF, transport: "eventsource" });
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame, initial: 2 });
  manager.connect();
  t.after(() => manager.close());
  await settled();
  assert.equal(store.getState().items.length, 0);
  sources[0].connected("e.30", "alice");
  sources[0].say("message", "e.31", { notification_type: "x" });
  paint();
  await new Promise(setImmediate);
  await settled();
  assert.deepEqual(
    store.getState().items.map(({ cursor }) => cursor),
    ["e.31", "e.30", "e.29"],
  );
});
