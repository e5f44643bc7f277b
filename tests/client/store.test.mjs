// The view of a page, and its ties to Zustand and Redux (their real packages).
import assert from "node:assert/strict";
import { test } from "node:test";
import { configureStore } from "@reduxjs/toolkit";
import { createStore as createReduxStore, applyMiddleware } from "redux";
import { createBadge } from "notify-sse/badge";
import { notificationActions, notificationMiddleware, notificationsReducer } from "notify-sse/redux";
import { createNotificationStore, merged } from "notify-sse/store";

/** What the ties use of a manager. */
class FakeManager {
  listeners = { all: new Set(), state: new Set(), reset: new Set() };
  state = { status: "connecting" };
  options = { url: "http://x/notifications", user: "alice" };
  cursor = null;
  calls = [];
  onAll = (listener) => this.#on("all", listener);
  onState = (listener) => this.#on("state", listener);
  onReset = (listener) => this.#on("reset", listener);
  connect = () => this.calls.push("connect");
  close = () => this.calls.push("close");
  retryNow = () => this.calls.push("retryNow");
  history = async () => ({ items: [], more: false, reset: null });
  #on(kind, listener) {
    this.listeners[kind].add(listener);
    return () => this.listeners[kind].delete(listener);
  }
  say(kind, value) {
    for (const listener of this.listeners[kind]) listener(value);
  }
  send(id, type = "new_message", epoch = "e") {
    this.cursor = `${epoch}.${id}`;
    this.say("all", { notification_id: `n${id}`, notification_type: type, cursor: this.cursor, payload: {} });
  }
}

function frames() {
  const due = [];
  return {
    nextFrame: (act) => (due.push(act), () => due.splice(due.indexOf(act), 1)),
    paint: () => due.splice(0).forEach((act) => act()),
  };
}

const cursors = (items) => items.map((item) => item.cursor);

test("a burst is one update, newest first, with its unread count", () => {
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame, keep: 3 });
  let updates = 0;
  store.subscribe(() => updates++);
  for (let id = 1; id <= 10; id++) manager.send(id);
  paint();
  const { items, last, unread } = store.getState();
  assert.equal(updates, 1);
  assert.deepEqual(cursors(items), ["e.10", "e.9", "e.8"]);
  assert.deepEqual([last.cursor, unread], ["e.10", 10]);
  store.markAllRead();
  assert.equal(store.getState().unread, 0);
});

test("10,000 notifications take one update of under 50 ms of CPU time", () => {
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame });
  for (let id = 1; id <= 10000; id++) manager.send(id);
  const before = process.cpuUsage();
  paint();
  const { user, system } = process.cpuUsage(before);
  assert.equal(store.getState().unread, 10000);
  assert.ok(user + system < 50_000, `${user + system} µs`);
});

test("after a reset the list is what is stored, beside what was seen before and what came since", async () => {
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame });
  manager.send(7);
  paint();
  manager.send(4, "new_message", "f");
  paint();
  manager.say("reset", { items: [{ cursor: "f.3" }, { cursor: "f.2" }] });
  assert.deepEqual(cursors(store.getState().items), ["f.4", "f.3", "f.2", "e.7"]);
  assert.equal(store.getState().resets, 1);
});

test("older items come page by page, each once", async () => {
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame, keep: 2 });
  manager.send(8);
  manager.send(9);
  paint();
  manager.history = async ({ before, limit }) => {
    assert.deepEqual([before, limit], ["e.8", 2]);
    return { items: [{ cursor: "e.7" }, { cursor: "e.6" }], more: true };
  };
  assert.equal(await store.loadOlder(2), true);
  assert.deepEqual(cursors(store.getState().items), ["e.9", "e.8", "e.7", "e.6"]);
});

test("lists of two logs keep the newer one first, whichever way they are given", () => {
  const old = [{ cursor: "e.9" }, { cursor: "e.8" }];
  assert.deepEqual(cursors(merged(old, [{ cursor: "f.1" }, { cursor: "f.2" }], 9)), ["f.2", "f.1", "e.9", "e.8"]);
});

test("Zustand: a store that follows, and tells only those whose selection changed", async () => {
  const { createZustandStore } = await import("notify-sse/zustand");
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const store = createZustandStore(manager, { nextFrame });
  const seen = [];
  store.subscribe(({ unread }, before) => unread !== before.unread && seen.push(unread));
  manager.send(1);
  manager.send(2);
  paint();
  manager.say("state", { status: "connected" });
  assert.deepEqual(seen, [2]);
  assert.equal(store.getState().connection.status, "connected");
  store.getState().markAllRead();
  assert.equal(store.getState().unread, 0);
  store.getState().retryNow();
  assert.deepEqual(manager.calls, ["retryNow"]);
});

for (const [name, create] of Object.entries({
  "Redux Toolkit": (manager, nextFrame) =>
    configureStore({
      reducer: notificationsReducer,
      middleware: (defaults) => defaults().concat(notificationMiddleware(manager, { nextFrame })),
    }),
  "plain Redux": (manager, nextFrame) =>
    createReduxStore(notificationsReducer, applyMiddleware(notificationMiddleware(manager, { nextFrame }))),
})) {
  test(`${name}: one action a burst, and actions that steer the manager`, () => {
    const manager = new FakeManager();
    const { nextFrame, paint } = frames();
    const store = create(manager, nextFrame);
    let actions = 0;
    store.subscribe(() => actions++);
    for (let id = 1; id <= 100; id++) manager.send(id);
    paint();
    assert.equal(actions, 1);
    assert.equal(store.getState().unread, 100);
    manager.say("state", { status: "failed", message: "Sorry" });
    assert.equal(store.getState().connection.message, "Sorry");
    manager.say("reset", { items: [{ cursor: "f.3" }] });
    assert.deepEqual([store.getState().resets, store.getState().items[0].cursor], [1, "f.3"]);
    store.dispatch(notificationActions.markAllRead());
    assert.equal(store.getState().unread, 0);
    for (const call of ["connect", "retryNow", "disconnect"]) store.dispatch(notificationActions[call]());
    assert.deepEqual(manager.calls, ["connect", "retryNow", "close"]);
  });
}

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

test("the badge counts what was missed while no page was open, and a read in another tab clears it", async (t) => {
  const kept = new Map([["k", "e.3"]]);
  globalThis.localStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  const target = new EventTarget();
  globalThis.addEventListener = target.addEventListener.bind(target);
  globalThis.removeEventListener = target.removeEventListener.bind(target);
  t.after(() => ["localStorage", "addEventListener", "removeEventListener"].forEach((name) => delete globalThis[name]));
  const manager = new FakeManager();
  manager.cursor = "e.5";
  manager.history = async ({ after }) => {
    assert.equal(after, "e.3");
    return { reset: null, items: ["e.4", "e.5", "e.6"].map((cursor) => ({ cursor, notification_type: "x" })) };
  };
  const badge = createBadge(manager, { key: "k" });
  await badge.countMissed();
  assert.equal(badge.count, 2, "e.6 comes over the stream");
  target.dispatchEvent(Object.assign(new Event("storage"), { key: "k", newValue: "e.6" }));
  assert.equal(badge.count, 0);
  manager.cursor = "e.9";
  badge.markAllRead();
  assert.equal(kept.get("k"), "e.9");
});
