// How many streams the tabs of a browser may have over HTTP/1.1, by locks as browsers have them.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Slots } from "../../notify_sse/client/src/slots.js";

const URL_OF = "http://x/notifications";
let warnings = [];

/** Locks of one browser, each held by one at a time. */
class FakeLocks {
  held = new Set();
  waiting = new Map();

  request(name, { ifAvailable, signal }, use) {
    if (!this.held.has(name)) return this.#run(name, use);
    if (ifAvailable) return Promise.resolve(use(null));
    return new Promise((resolve, reject) => {
      const queue = this.waiting.get(name) ?? [];
      this.waiting.set(name, queue);
      const start = () => this.#run(name, use).then(resolve, reject);
      queue.push(start);
      signal?.addEventListener("abort", () => {
        if (queue.includes(start)) queue.splice(queue.indexOf(start), 1);
        reject(signal.reason);
      });
    });
  }

  async #run(name, use) {
    this.held.add(name);
    try {
      await use({ name });
    } finally {
      this.held.delete(name);
      this.waiting.get(name)?.shift()?.();
    }
  }
}

let locks;

beforeEach(() => {
  locks = new FakeLocks();
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  warnings = [];
  console.warn = (text) => warnings.push(text);
});

const turn = () => new Promise(setImmediate);

test("three tabs have a stream, the fourth has none, and is told why once", async () => {
  const tabs = Array.from({ length: 4 }, () => new Slots(URL_OF));
  const taken = [];
  for (const tab of tabs) taken.push(await tab.take());
  assert.deepEqual(taken, [true, true, true, false]);
  assert.equal(await tabs[3].take(), false);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /`user`/);
  tabs[0].leave();
  await turn();
  assert.equal(await tabs[3].take(), true);
});

test("a tab that has a slot keeps it, and takes no second one", async () => {
  const tab = new Slots(URL_OF);
  assert.deepEqual([await tab.take(), await tab.take(), locks.held.size], [true, true, 1]);
});

test("what is taken after the tab gave up is given back", async () => {
  const tab = new Slots(URL_OF);
  const taking = tab.take();
  tab.leave();
  assert.equal(await taking, false);
  await turn();
  assert.equal(locks.held.size, 0);
});

test("tabs swap their streams one after the other, and one that gave up keeps nobody waiting", async () => {
  const [first, second, third] = Array.from({ length: 3 }, () => new Slots(URL_OF));
  await first.takeTurn();
  const order = [];
  const waiting = [
    second.takeTurn().then(() => order.push("second")),
    third.takeTurn().then(() => order.push("third")),
  ];
  await turn();
  assert.deepEqual(order, []);
  second.leave();
  first.endTurn();
  await Promise.all(waiting);
  assert.equal(locks.held.size, 1, "the third one's turn");
  third.endTurn();
  await turn();
  assert.equal(locks.held.size, 0);
});

test("over HTTP/2 there is no limit", async (t) => {
  const entry = { name: "http://x/notifications/history", nextHopProtocol: "h2" };
  t.mock.method(performance, "getEntriesByType", () => [entry]);
  const tabs = Array.from({ length: 9 }, () => new Slots(URL_OF));
  for (const tab of tabs) assert.equal(await tab.take(), true);
  assert.equal(locks.held.size, 0);
});

test("where locks are forbidden there is no limit", async () => {
  locks.request = () => Promise.reject(new Error("SecurityError"));
  const tabs = Array.from({ length: 9 }, () => new Slots(URL_OF));
  for (const tab of tabs) assert.equal(await tab.take(), true);
});
