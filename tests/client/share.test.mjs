// The share layer before it has a connection: what it is told then holds, and nothing that hangs keeps it from beginning.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { LeaderShare } from "../../notify_sse/client/src/tabs/leader-share.js";
import { SharedConnection } from "../../notify_sse/client/src/tabs/share.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";

const sources = FakeEventSource.all;
const OPTIONS = { url: "http://x/notifications", user: "alice", random: () => 1, transport: "eventsource" };
const CONNECTED = { recipient_id: "alice", cursor: "e.5", items: [] };

beforeEach(() => {
  sources.length = 0;
  globalThis.EventSource = FakeEventSource;
});

/** Questions of the history that a test answers by hand. */
function questions() {
  const asked = [];
  globalThis.fetch = () =>
    new Promise((resolve) => {
      asked.push(() => resolve({ ok: true, status: 200, json: async () => CONNECTED }));
    });
  return asked;
}

/** A share that begins. Where there are no locks and no workers, each tab has a connection of its own in the end. */
async function begun(t, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  const states = [];
  const share = new SharedConnection(
    { ...OPTIONS, ...options },
    { state: ({ status }) => states.at(-1) !== status && states.push(status), frame: () => {}, reset: () => {} },
  );
  share.start(null);
  await settled();
  t.after(() => share.stop());
  return { share, states, tick: async (ms) => (t.mock.timers.tick(ms), settled()) };
}

test("what says that there is no network holds, though there is no connection yet", async (t) => {
  const asked = questions();
  const { share, states } = await begun(t);
  share.offline();
  assert.deepEqual(states, ["connecting", "offline"]);
  asked[0]();
  await settled();
  assert.equal(states.at(-1), "offline", "the connection that begins now is told so");
  share.wake(true);
  await settled();
  sources.at(-1).connected("e.5", "alice");
  assert.equal(states.at(-1), "connected");
});

test("back on the network, it asks again: the question before that may hang", async (t) => {
  const asked = questions();
  const { share, states } = await begun(t);
  share.offline();
  share.wake(true);
  await settled();
  assert.equal(asked.length, 2);
  asked[1]();
  await settled();
  sources.at(-1).connected("e.5", "alice");
  assert.equal(states.at(-1), "connected");
  asked[0]();
  await settled();
  assert.equal(sources.length, 1, "the late answer starts nothing");
});

test("a share that was stopped says nothing of the network, and knows of it when it is started again", async (t) => {
  const asked = questions();
  const { share, states } = await begun(t);
  share.stop();
  share.offline();
  assert.deepEqual(states, ["connecting", "closed"]);
  share.start(null);
  await settled();
  assert.equal(states.at(-1), "offline");
  asked.at(-1)();
});

test("when nobody says whose notifications these are, a stream asks", async (t) => {
  questions();
  const { tick, states } = await begun(t);
  assert.equal(sources.length, 0);
  await tick(2000);
  assert.equal(sources.length, 1);
  sources[0].connected("e.5", "alice");
  await settled();
  sources.at(-1).connected("e.5", "alice");
  assert.equal(states.at(-1), "connected");
});

test("a getToken that hangs does not keep it from beginning", async (t) => {
  questions();
  let calls = 0;
  const getToken = () => {
    calls += 1;
    return calls === 1 ? new Promise(() => {}) : "token";
  };
  const { tick } = await begun(t, { getToken });
  await tick(2000);
  assert.equal(sources.length, 1);
});

test("a tab that waits to lead tells what it knows of the network once it leads", async (t) => {
  questions();
  let grant;
  const locks = { request: (_, __, lead) => new Promise((resolve) => (grant = () => resolve(lead()))) };
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  t.after(() => delete globalThis.navigator);
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  const states = [];
  const state = ({ status }) => states.at(-1) !== status && states.push(status);
  const share = new LeaderShare("name", OPTIONS, { state, frame: () => {}, reset: () => {}, gone: () => {} });
  t.after(() => share.stop());
  share.start("e.3");
  share.offline();
  grant();
  await settled();
  assert.equal(states.at(-1), "offline");
  share.wake(true);
  await settled();
  sources.at(-1).connected("e.3", "alice");
  await settled();
  assert.equal(states.at(-1), "connected");
});
