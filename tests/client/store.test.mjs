// The view of a page, and its ties to Zustand and Redux (their real packages).
import assert from "node:assert/strict";
import { test } from "node:test";
import { configureStore } from "@reduxjs/toolkit";
import { NotificationProvider, useNotificationSocket } from "notify-sse/react";
import {
  createNotificationsReducer,
  notificationActions,
  notificationMiddleware,
  notificationsReducer,
} from "notify-sse/redux";
import { createNotificationStore, merged } from "notify-sse/store";
import { createZustandStore } from "notify-sse/zustand";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { applyMiddleware, createStore as createReduxStore } from "redux";
import { FakeManager, frames } from "./fake-manager.mjs";

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

test("after a reset to a new log older items are those of the new one", async () => {
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame });
  manager.send(9);
  paint();
  manager.say("reset", { items: [{ cursor: "f.4" }, { cursor: "f.3" }] });
  manager.history = async ({ before }) => ({ items: [{ cursor: before === "f.3" ? "f.2" : "?" }], more: false });
  assert.equal(await store.loadOlder(1), false);
  assert.deepEqual(cursors(store.getState().items), ["f.4", "f.3", "f.2", "e.9"]);
});

test("items of other types come neither with a reset nor with older ones", async () => {
  const manager = new FakeManager();
  const item = (id, notification_type) => ({ cursor: `e.${id}`, notification_type });
  const store = createNotificationStore(manager, { types: ["a", "b"] });
  manager.say("reset", { items: [item(9, "a"), item(8, "x"), item(7, "b")] });
  const next = async () => ({ items: [item(4, "x"), item(3, "a")], more: true });
  manager.history = async () => ({ items: [item(6, "x"), item(5, "x")], more: true, next });
  assert.equal(await store.loadOlder(2), true);
  assert.deepEqual(cursors(store.getState().items), ["e.9", "e.7", "e.3"]);
});

test("the last one is the one that was sent last, also when an older one was held back", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame, throttle: { slow: 5000 } });
  manager.send(1, "slow");
  paint();
  manager.send(2, "slow");
  manager.send(3);
  paint();
  t.mock.timers.tick(5000);
  paint();
  assert.deepEqual([store.getState().last.cursor, store.getState().unread], ["e.3", 3]);
});

test("a subscriber that throws is reported, and keeps neither the others nor what waits from coming", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  t.after(() => delete globalThis.reportError);
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame });
  const seen = [];
  store.subscribe(() => {
    throw new Error("mine");
  });
  store.subscribe(({ unread }) => seen.push(unread));
  manager.send(1);
  paint();
  assert.deepEqual([seen, reported], [[1], ["mine"]]);
});

test("React: rendering alone subscribes to nothing, and `isEqual` compares only what was selected", () => {
  const manager = new FakeManager();
  const compared = [];
  const isEqual = (a, b) => (compared.push(a), a === b);
  const Unread = () => `unread ${useNotificationSocket(({ unread }) => unread, isEqual)}`;
  assert.equal(renderToString(createElement(NotificationProvider, { manager }, createElement(Unread))), "unread 0");
  assert.deepEqual(
    Object.values(manager.listeners).map(({ size }) => size),
    [0, 0, 0, 0],
  );
  assert.ok(compared.every((value) => value === 0));
});

test("an idle store follows from `listen` on, as often as it is told, and is up to date then", () => {
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame, idle: true });
  manager.state = { status: "connected" };
  for (let n = 1; n <= 2; n++) {
    const stop = store.listen();
    assert.equal(store.getState().connection.status, "connected");
    manager.send(n);
    paint();
    stop();
    manager.send(9);
  }
  assert.deepEqual(cursors(store.getState().items), ["e.2", "e.1"]);
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

test("Redux: how many items are kept is an option, and a reset brings only the types that were asked for", () => {
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const middleware = notificationMiddleware(manager, { nextFrame, types: ["a"] });
  const store = createReduxStore(createNotificationsReducer({ keep: 2 }), applyMiddleware(middleware));
  for (let id = 1; id <= 3; id++) manager.send(id, "a");
  paint();
  assert.deepEqual(cursors(store.getState().items), ["e.3", "e.2"]);
  const reset = [
    ["f.9", "x"],
    ["f.8", "a"],
  ].map(([cursor, notification_type]) => ({ cursor, notification_type }));
  manager.say("reset", { items: reset });
  assert.deepEqual(cursors(store.getState().items), ["f.8", "e.3"]);
});

test("a sign-out leaves nothing in the store, also of a burst that waits, and when it did not listen", () => {
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const store = createNotificationStore(manager, { nextFrame });
  manager.send(1);
  paint();
  manager.send(2);
  manager.signOut();
  paint();
  assert.deepEqual([store.getState().items, store.getState().last, store.getState().unread], [[], null, 0]);
  const stop = store.listen();
  manager.send(3);
  paint();
  stop();
  manager.signOut();
  store.listen();
  assert.deepEqual([store.getState().items, store.getState().unread], [[], 0]);
  store.switchUser({ user: "bob" });
  store.signOut();
  assert.deepEqual(manager.calls, ["signOut", "signOut", "signOut", "as bob", "signOut"]);
});

test("Zustand and React steer the sign-out", () => {
  const manager = new FakeManager();
  const zustand = createZustandStore(manager);
  zustand.getState().switchUser({ user: "bob" });
  zustand.getState().signOut();
  function Steer() {
    const { signOut, switchUser } = useNotificationSocket();
    switchUser({ user: "carol" });
    signOut();
    return null;
  }
  renderToString(createElement(NotificationProvider, { manager }, createElement(Steer)));
  assert.deepEqual(manager.calls, ["signOut", "as bob", "signOut", "signOut", "as carol", "signOut"]);
});

test("Redux forgets all when the user is switched, and no function reaches a reducer", () => {
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const seen = [];
  const store = createReduxStore(
    (state, action) => (seen.push(action), notificationsReducer(state, action)),
    applyMiddleware(notificationMiddleware(manager, { nextFrame })),
  );
  manager.send(1);
  paint();
  manager.send(2);
  store.dispatch(notificationActions.switchUser({ user: "bob", getToken: () => "t" }));
  paint();
  assert.deepEqual([store.getState().items, store.getState().last, store.getState().unread], [[], null, 0]);
  assert.deepEqual(manager.calls, ["signOut", "as bob"]);
  assert.ok(seen.every(({ payload }) => typeof payload?.getToken !== "function"));
  store.dispatch(notificationActions.signOut());
  assert.equal(manager.calls.at(-1), "signOut");
});
