// `notify-sse/testing`: a fake manager is taken for a real one by everything that takes a manager.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NotificationConnectionManager } from "notify-sse";
import { createNotificationStore } from "notify-sse/store";
import { createFakeManager } from "notify-sse/testing";

const now = { nextFrame: (act) => (act(), () => {}) };

test("it has all that a manager has", () => {
  const [real, fake] = [new NotificationConnectionManager(), createFakeManager()];
  const missing = Object.keys(real).filter((name) => !(name in fake));
  assert.deepEqual(missing, []);
  assert.deepEqual(Object.keys(fake.state).sort(), Object.keys(real.state).sort());
});

test("a store follows it: what arrives, is read, is taken back, and signed out", async () => {
  const manager = createFakeManager({ stored: [{ notification_id: "new" }, { notification_id: "old" }] });
  const store = createNotificationStore(manager, { ...now, initial: 1 });
  manager.connect();
  await new Promise(setImmediate);
  const ids = () => store.getState().items.map(({ notification_id: id }) => id);
  assert.deepEqual(ids(), ["new"]);
  await store.loadOlder();
  assert.deepEqual(ids(), ["new", "old"]);
  manager.receive({ notification_id: "live", payload: { text: "hi" } });
  assert.deepEqual([ids()[0], store.getState().last.payload.text, store.getState().unread], ["live", "hi", 1]);
  await store.markRead(["live"]);
  assert.deepEqual([manager.calls.at(-1), store.getState().unread], [["markRead", { ids: ["live"], read: true }], 0]);
  manager.receiveRead({ ids: ["old"], unread: 5 });
  assert.equal(store.getState().unread, 5, "the service counts from now on");
  manager.recall("old");
  assert.deepEqual(ids(), ["live", "new"]);
  manager.fail({ code: "unauthorized", status: 401 });
  assert.equal(store.getState().connection.error.status, 401);
  manager.signOut();
  assert.deepEqual(ids(), []);
});
