// The unread badge: what it counts, once.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createBadge } from "notify-sse/badge";
import { FakeManager, frames } from "./fake-manager.mjs";

/** A service that counts nothing; what it is asked is noted. */
let asked;
beforeEach(() => {
  asked = [];
  globalThis.fetch = async (url, { body } = {}) => {
    asked.push([url.pathname.split("/").at(-1), body && JSON.parse(body)]);
    return { status: 404 };
  };
});

test("the badge counts what came since it was read, at most so often, and says 99+", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const badge = createBadge(manager, { nextFrame, everyMs: 5000, types: ["new_message"] });
  const texts = [];
  badge.subscribe((_, text) => texts.push(text));
  manager.send(1);
  manager.send(2, "system_alert");
  paint();
  for (let id = 3; id <= 120; id++) manager.send(id);
  paint();
  assert.deepEqual(texts, ["1"]);
  t.mock.timers.tick(5000);
  paint();
  assert.deepEqual(texts, ["1", "99+"]);
  assert.equal(badge.count, 119);
  badge.markAllRead();
  assert.deepEqual([badge.count, badge.text], [0, ""]);
});

/** What is kept in localStorage, with what was read last. */
function storage(t, read) {
  const kept = new Map([["k", read]]);
  globalThis.localStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  t.after(() => delete globalThis.localStorage);
  return kept;
}

test("the badge counts what was missed while no page was open, and a read in another tab clears it", async (t) => {
  const kept = storage(t, "e.3");
  const target = new EventTarget();
  globalThis.addEventListener = target.addEventListener.bind(target);
  globalThis.removeEventListener = target.removeEventListener.bind(target);
  t.after(() => ["addEventListener", "removeEventListener"].forEach((name) => delete globalThis[name]));
  const manager = new FakeManager();
  manager.history = async ({ after }) => {
    assert.equal(after, "e.3");
    return { reset: null, items: ["e.4", "e.5", "e.6"].map((cursor) => ({ cursor, notification_type: "x" })) };
  };
  const { nextFrame, paint } = frames();
  const badge = createBadge(manager, { key: "k", nextFrame });
  await badge.countMissed();
  manager.send(6);
  manager.send(7);
  paint();
  assert.equal(badge.count, 4, "e.6 is counted once");
  target.dispatchEvent(Object.assign(new Event("storage"), { key: "k", newValue: "e.7" }));
  assert.equal(badge.count, 0);
  manager.cursor = "e.9";
  badge.markAllRead();
  assert.equal(kept.get("k"), "e.9");
});

test("what was missed is asked for by type, so that others do not fill the page, and what the stream brought is not counted twice", async (t) => {
  storage(t, "e.3");
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const asked = [];
  manager.history = async ({ type, limit }) => {
    asked.push([type, limit]);
    const ids = type === "a" ? [4, 6, 8] : [5];
    return { reset: null, items: ids.map((id) => ({ cursor: `e.${id}`, notification_type: type })) };
  };
  const badge = createBadge(manager, { key: "k", types: ["a", "b"], nextFrame });
  manager.send(7, "a");
  const counting = badge.countMissed();
  manager.send(8, "a");
  await counting;
  manager.send(9, "x");
  paint();
  assert.deepEqual(asked, [
    ["a", 100],
    ["b", 100],
  ]);
  assert.equal(badge.count, 5, "4, 5 and 6 missed, 7 and 8 over the stream");
});

test("after the log was replaced the badge goes on counting", (t) => {
  storage(t, "e.90");
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const badge = createBadge(manager, { key: "k", nextFrame });
  manager.send(91);
  manager.send(3, "new_message", "f");
  paint();
  assert.equal(badge.count, 2);
  badge.markAllRead();
  manager.send(4, "new_message", "f");
  paint();
  assert.equal(badge.count, 1);
});

test("a sign-out leaves nothing in the badge and its storage", (t) => {
  const kept = storage(t, "e.3 alice");
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const badge = createBadge(manager, { key: "k", nextFrame });
  manager.send(4);
  paint();
  manager.send(5);
  manager.signOut();
  paint();
  assert.deepEqual([badge.count, kept.size], [0, 0]);
  badge.switchUser({ user: "bob" });
  badge.signOut();
  assert.deepEqual(manager.calls, ["signOut", "signOut", "as bob", "signOut"]);
});

test("what another user has read says nothing of this one", async (t) => {
  storage(t, "e.3 alice");
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const badge = createBadge(manager, { key: "k", nextFrame });
  manager.history = async () => ({
    reset: null,
    recipient_id: "bob",
    items: [{ cursor: "e.4", notification_type: "x" }],
  });
  await badge.countMissed();
  assert.equal(badge.count, 1, "bob has not looked before");
  manager.send(4);
  paint();
  assert.equal(badge.count, 1);
  const other = createBadge(Object.assign(new FakeManager(), { recipient: "bob" }), { key: "k" });
  other.markAllRead();
  await other.countMissed();
  assert.equal(other.count, 0);
});

test("on the first visit everything that is stored counts, and what is silent or read never does", async (t) => {
  storage(t, "");
  const manager = new FakeManager();
  const queries = [];
  manager.history = async (query) => {
    queries.push(query);
    const items = [5, 4, 3, 2].map((n) => ({ cursor: `e.${n}`, notification_id: `n${n}`, notification_type: "x" }));
    items[1].silent = true;
    items[2].read = true;
    return { reset: null, items };
  };
  const { nextFrame, paint } = frames();
  const badge = createBadge(manager, { key: "k", nextFrame });
  await badge.countMissed();
  assert.deepEqual(queries, [{ order: "desc", limit: 100, type: undefined }]);
  assert.equal(badge.count, 2);
  manager.say("all", { notification_id: "n6", notification_type: "x", cursor: "e.6", silent: true });
  manager.send(5);
  manager.send(7);
  paint();
  assert.equal(badge.count, 3);
});

/** A manager whose service counts. */
class Counted extends FakeManager {
  marked = [];
  listeners = { ...this.listeners, read: new Set(), recalled: new Set() };
  onRead = (listener) => this.#on("read", listener);
  onRecalled = (listener) => this.#on("recalled", listener);
  markRead = async (what) => (this.marked.push(what), 0);
  #on(kind, listener) {
    this.listeners[kind].add(listener);
    return () => this.listeners[kind].delete(listener);
  }
  up(unread) {
    this.state = { status: "connected", transport: "eventsource", connectionId: "c1", unread, unreadUpto: "e.9" };
    this.say("state", this.state);
  }
  send(id, more = {}) {
    this.cursor = `e.${id}`;
    const item = { notification_id: `n${id}`, notification_type: "x", recipient_id: "alice", cursor: this.cursor };
    this.say("all", { ...item, ...more });
  }
}

test("where the service counts, the badge shows that number, and asks nobody when it changes", async () => {
  const manager = new Counted();
  manager.history = () => assert.fail("no page is read");
  const { nextFrame, paint } = frames();
  const badge = createBadge(manager, { nextFrame });
  const counts = [];
  badge.subscribe((count) => counts.push(count));
  manager.up(7);
  paint();
  await badge.countMissed();
  for (const id of [9, 10, 11]) manager.send(id);
  manager.send(12, { silent: true });
  paint();
  manager.say("read", { upto: null, ids: ["n10"], read: true, unread: 8, cursor: "e.13" });
  assert.deepEqual(counts, [7, 9, 8], "e.9 was counted before; read elsewhere is shown at once");
  assert.deepEqual(asked, []);
  manager.cursor = "e.13";
  const told = badge.markAllRead();
  assert.equal(badge.count, 0);
  assert.equal(await told, true);
  assert.deepEqual(manager.marked, ["e.13"]);
});

test("what the service cannot be told is unread again", async () => {
  const manager = new Counted();
  const { nextFrame, paint } = frames();
  const badge = createBadge(manager, { nextFrame });
  manager.up(7);
  paint();
  manager.cursor = "e.9";
  manager.markRead = async () => {
    throw new Error("away");
  };
  assert.equal(await badge.markAllRead(), false);
  assert.equal(badge.count, 7);
});

test("a badge of some types counts by itself, heeds what is read and recalled elsewhere, and tells what is read here", async () => {
  const manager = new Counted();
  const { nextFrame, paint } = frames();
  const badge = createBadge(manager, { nextFrame, types: ["x"] });
  manager.up(70);
  for (let id = 10; id < 16; id++) manager.send(id, { notification_type: id === 15 ? "y" : "x" });
  paint();
  assert.equal(badge.count, 5);
  manager.say("read", { upto: "e.10", ids: null, read: true, unread: 69, cursor: "e.16" });
  manager.say("read", { upto: null, ids: ["n11"], read: true, unread: 68, cursor: "e.17" });
  manager.say("recalled", { notification_id: "n12", cursor: "e.18" });
  assert.equal(badge.count, 2);
  manager.say("read", { upto: null, ids: ["n11"], read: false, unread: 69, cursor: "e.19" });
  assert.equal(badge.count, 3);
  await badge.markAllRead();
  assert.deepEqual(manager.marked, [["n11", "n13", "n14"]]);
  assert.equal(badge.count, 0);
});

test("many recalls make few questions for the number", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const manager = new Counted();
  const badge = createBadge(manager, frames());
  manager.up(50);
  globalThis.fetch = async (url) => {
    asked.push(url.pathname);
    return Response.json({ unread: 10 });
  };
  for (let id = 10; id < 50; id++) manager.say("recalled", { notification_id: `n${id}`, cursor: `e.${id}` });
  for (let n = 0; n < 50; n++) await null;
  assert.equal(badge.count, 10);
  assert.ok(asked.length <= 2, `${asked.length}`);
});

test("a number that cannot be had now is asked for again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const manager = new Counted();
  const badge = createBadge(manager, frames());
  manager.up(50);
  globalThis.fetch = async () => {
    throw new TypeError("fetch failed");
  };
  manager.say("recalled", { notification_id: "n1", cursor: "e.10" });
  for (let n = 0; n < 20; n++) await null;
  assert.equal(badge.count, 50);
  globalThis.fetch = async () => Response.json({ unread: 49 });
  t.mock.timers.tick(2000);
  for (let n = 0; n < 20; n++) await null;
  assert.equal(badge.count, 49);
});

test("what the service has counted already is not counted again when it comes", async () => {
  const manager = new Counted();
  const { nextFrame, paint } = frames();
  const badge = createBadge(manager, { nextFrame });
  // A long poll does not say the number. It is asked for while most of a backlog is still to come.
  let answer;
  globalThis.fetch = () => new Promise((resolve) => (answer = resolve));
  manager.state = { status: "connected", transport: "longpoll" };
  manager.say("state", manager.state);
  await new Promise(setImmediate);
  manager.send(101);
  answer(Response.json({ unread: 40 }, { headers: { "notify-sse-cursor": "e.110" } }));
  await new Promise(setImmediate);
  for (let n = 102; n <= 110; n++) manager.send(n);
  paint();
  assert.equal(badge.count, 40);
  manager.send(111);
  paint();
  assert.equal(badge.count, 41);
});
