// The unread badge: what it counts, once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createBadge } from "notify-sse/badge";
import { FakeManager, frames } from "./fake-manager.mjs";

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
  assert.equal(badge.count, 0, "nobody knows what bob has read");
  manager.send(4);
  paint();
  assert.equal(badge.count, 1);
  const other = createBadge(Object.assign(new FakeManager(), { recipient: "bob" }), { key: "k" });
  other.markAllRead();
  await other.countMissed();
  assert.equal(other.count, 0);
});
