// Reading the history: it never waits for ever.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findCause } from "../../notify_sse/client/src/cause.js";
import { readHistory } from "../../notify_sse/client/src/history.js";
import { NotificationConnectionManager } from "../../notify_sse/client/src/manager.js";
import { askPollAfterS } from "../../notify_sse/client/src/rollout.js";

/** What `fetch` was given as its signal, by a read that is never answered. */
async function signalOf(t, signal) {
  const timeout = new AbortController();
  t.mock.method(AbortSignal, "timeout", (ms) => (assert.equal(ms, 15000), timeout.signal));
  const given = new Promise(
    (resolve) => (globalThis.fetch = (_, options) => (resolve(options.signal), new Promise(() => {}))),
  );
  readHistory({ url: "http://x/notifications" }, {}, signal);
  return { timeout, given: await given };
}

test("a read ends after 15 s", async (t) => {
  const { timeout, given } = await signalOf(t);
  timeout.abort();
  assert.ok(given.aborted);
});

test("a read ends at once when its reader leaves", async (t) => {
  const reader = new AbortController();
  const { given } = await signalOf(t, reader.signal);
  assert.ok(!given.aborted);
  reader.abort();
  assert.ok(given.aborted);
});

test("where there is no AbortSignal.timeout, as in React Native, reads, marks and questions end in time all the same", async (t) => {
  const { timeout } = AbortSignal;
  t.after(() => (AbortSignal.timeout = timeout));
  AbortSignal.timeout = undefined;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const isAsked = neverAnswered();
  const manager = new NotificationConnectionManager({ url: "http://x/notifications" });
  const request = { base: manager.options.url, token: "t" };
  const asked = [
    assert.rejects(manager.history(), /in time/),
    assert.rejects(manager.markRead("e.1"), /in time/),
    assert.rejects(askPollAfterS(request), /in time/),
    findCause({ isUp: false, accepted: false, request }, { reason: "network" }, true),
  ];
  await isAsked(asked.length);
  t.mock.timers.tick(15000);
  assert.equal((await Promise.all(asked))[3].isUnreached, true);
});

/**
 * A service that answers nobody. As `fetch` does, it gives up what its reader left. Returns what resolves once it was asked so often:
 * modules that are fetched first take as long as they take.
 */
function neverAnswered() {
  let count = 0;
  globalThis.fetch = (_, { signal }) => {
    count += 1;
    return new Promise((_resolve, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  };
  return async (times) => {
    while (count < times) await new Promise(setImmediate);
  };
}

test("manager.history() takes an AbortSignal: what its reader left is given up, also on the next page", async () => {
  const manager = new NotificationConnectionManager({ url: "http://x/notifications" });
  const reader = new AbortController();
  globalThis.fetch = async () => Response.json({ items: [{ cursor: "e.3" }], cursor: "e.3", more: true });
  const page = await manager.history({ limit: 1, signal: reader.signal });
  assert.deepEqual(page.items, [{ cursor: "e.3" }]);
  const isAsked = neverAnswered();
  const reading = [manager.history({ signal: reader.signal }), page.next()];
  await isAsked(reading.length);
  reader.abort();
  for (const one of reading) await assert.rejects(one, { name: "AbortError" });
  await assert.rejects(manager.history({ signal: AbortSignal.abort() }), { name: "AbortError" });
});

test("a refusal is an error with its code and its status", async () => {
  globalThis.fetch = async () => ({ ok: false, status: 403 });
  await assert.rejects(readHistory({ url: "http://x/notifications" }), (error) => {
    assert.ok(error instanceof Error);
    assert.deepEqual([error.name, error.code, error.status], ["NotificationError", "history", 403]);
    assert.equal(error.message, "The history answered 403");
    return true;
  });
});
