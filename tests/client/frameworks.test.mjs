// The ties to Vue and Svelte with the real packages, and what all ties share.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NotificationConnectionManager } from "notify-sse";
import { createNotifications, notificationStore } from "notify-sse/svelte";
import { notificationsPlugin, useNotificationSocket as socketOf } from "notify-sse/vue";
import { get } from "svelte/store";
import { createSSRApp, effectScope, reactive } from "vue";
import { renderToString } from "vue/server-renderer";
import { shallowEqual } from "../../notify_sse/client/src/shallow.js";
import { FakeManager, frames } from "./fake-manager.mjs";

test("Svelte: it connects while somebody is subscribed, and says at once what there is", () => {
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  const notifications = notificationStore(manager, { nextFrame });
  assert.equal(get(notifications).unread, 0);
  assert.deepEqual(manager.calls, ["connect", "close"], "a look connects no longer than it takes");
  const seen = [];
  const stops = [notifications.subscribe(({ unread }) => seen.push(unread)), notifications.subscribe(() => {})];
  manager.send(1);
  paint();
  assert.deepEqual(seen.at(-1), 1);
  stops[0]();
  stops[0]();
  assert.deepEqual(manager.calls.slice(2), ["connect"]);
  stops[1]();
  assert.deepEqual(manager.calls.slice(2), ["connect", "close"]);
  assert.ok(createNotifications({ url: "http://x/n" }).manager instanceof Object);
});

test("Vue: components have the view as refs; where a server renders, nothing is connected", async () => {
  const manager = new FakeManager();
  const component = {
    setup() {
      const { unread, items, markAllRead } = socketOf();
      return () => `${unread.value} of ${items.value.length} ${typeof markAllRead}`;
    },
  };
  const app = createSSRApp(component).use(notificationsPlugin(manager));
  assert.match(await renderToString(app), /0 of 0 function/);
  assert.deepEqual(manager.calls, []);
  app.config.warnHandler = () => {};
  assert.throws(() => effectScope().run(() => socketOf()), /needs app.use/);
});

test("Vue: refs follow the store, until their scope ends", () => {
  const manager = new FakeManager();
  const { nextFrame, paint } = frames();
  globalThis.document = {};
  let unmount;
  const provided = new Map();
  const app = { provide: (key, value) => provided.set(key, value), onUnmount: (act) => (unmount = act) };
  notificationsPlugin(manager, { nextFrame }).install(app);
  delete globalThis.document;
  assert.deepEqual(manager.calls, ["connect"]);
  const vueApp = createSSRApp({});
  for (const [key, value] of provided) vueApp.provide(key, value);
  const scope = effectScope();
  const socket = vueApp.runWithContext(() => scope.run(() => socketOf()));
  manager.send(1);
  paint();
  assert.deepEqual([socket.unread.value, socket.items.value[0].cursor, socket.last.value.cursor], [1, "e.1", "e.1"]);
  scope.stop();
  manager.send(2);
  paint();
  assert.equal(socket.view.value.unread, 1);
  unmount();
  assert.deepEqual(manager.calls, ["connect", "close"]);
});

test("Vue: a manager within a reactive object works", async () => {
  globalThis.EventSource = class {
    addEventListener() {}
    close() {}
  };
  const { m } = reactive({ m: new NotificationConnectionManager({ url: "http://x/n", transport: "eventsource" }) });
  m.connect();
  m.on("x", () => {})();
  await new Promise(setImmediate);
  assert.equal(m.state.status, "connecting");
  m.close();
  assert.equal(m.state.status, "closed");
});

test("two selections are the same when their fields are", () => {
  const items = [];
  assert.ok(shallowEqual({ items, unread: 1 }, { items, unread: 1 }));
  assert.ok(shallowEqual([1, items], [1, items]));
  assert.ok(shallowEqual(Number.NaN, Number.NaN));
  for (const [a, b] of [
    [{ a: 1 }, { a: 2 }],
    [{ a: undefined }, { b: undefined }],
    [[], {}],
    [null, {}],
    [1, "1"],
    [{ a: [] }, { a: [] }],
  ])
    assert.ok(!shallowEqual(a, b));
});
