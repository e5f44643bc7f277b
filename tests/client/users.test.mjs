// Whose stream is this? Nothing of one user reaches another, and nothing stays after a sign-out.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { NotificationConnectionManager } from "../../notify_sse/client/src/manager.js";
import { GapFiller } from "../../notify_sse/client/src/tabs/gap-filler.js";
import { SharedConnection } from "../../notify_sse/client/src/tabs/share.js";
import { open } from "../../notify_sse/client/src/transports/longpoll.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";

const sources = FakeEventSource.all;
const URL_OF = "http://x/notifications";
const KEY = `notify-sse:${URL_OF}:`;
const isOpen = ({ readyState }) => readyState !== 2;
const page = (recipient, cursor = "e.9") => ({ items: [], cursor, more: false, reset: null, recipient_id: recipient });
const answer = (body) => ({ ok: true, status: 200, json: async () => body });

beforeEach(() => {
  sources.length = 0;
  globalThis.EventSource = FakeEventSource;
  globalThis.fetch = async () => ({ status: 503 });
});

/** A tab's sessionStorage, with what is in it. */
function storage(t, kept = {}) {
  const items = new Map(Object.entries(kept));
  globalThis.sessionStorage = {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
    removeItem: (key) => items.delete(key),
  };
  t.after(() => delete globalThis.sessionStorage);
  return items;
}

/** A manager that is connecting, with what it tells noted. */
async function begun(t, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const manager = new NotificationConnectionManager({
    url: URL_OF,
    transport: "eventsource",
    random: () => 1,
    ...options,
  });
  const told = { ids: [], signOuts: 0 };
  manager.onAll(({ cursor }) => told.ids.push(cursor));
  manager.onSignOut(() => told.signOuts++);
  manager.connect();
  await settled();
  t.after(() => manager.close());
  return { manager, told, tick: async (ms) => (t.mock.timers.tick(ms), settled()) };
}

test("the state says whose notifications these are", async (t) => {
  const { manager } = await begun(t);
  assert.deepEqual([manager.recipient, manager.state.recipient], [null, null]);
  sources[0].connected("e.1", "alice");
  assert.deepEqual([manager.recipient, manager.state.recipient], ["alice", "alice"]);
  manager.close();
  assert.equal(manager.recipient, "alice");
});

test("a stream of another user is not handed over: it fails", async (t) => {
  const { manager, told, tick } = await begun(t);
  sources[0].connected("e.1", "alice");
  sources[0].fail();
  await settled();
  await tick(1000);
  sources[1].connected("e.1", "bob");
  sources[1].say("message", "e.2", { notification_type: "x" });
  assert.deepEqual([manager.state.status, manager.state.reason], ["failed", "other_user"]);
  assert.match(manager.state.message, /Somebody else/);
  assert.deepEqual([told.ids, manager.cursor, sources.filter(isOpen)], [[], "e.1", []]);
});

test("a stream of another user does not take over from the one that is open", async (t) => {
  const { manager, told, tick } = await begun(t);
  sources[0].connected("e.1", "alice");
  await settled();
  sources[0].say("expiring", "e.1", { expires_in_s: 2 });
  await tick(1000);
  sources[1].connected("e.1", "bob");
  sources[1].say("message", "e.2", { notification_type: "x" });
  assert.deepEqual([manager.state.status, manager.state.reason, told.ids], ["failed", "other_user", []]);
  assert.deepEqual(sources.filter(isOpen), []);
});

test("a service that does not say whose a stream is works as before", async (t) => {
  const { manager, told, tick } = await begun(t);
  sources[0].connected("e.1");
  sources[0].fail();
  await settled();
  await tick(1000);
  sources[1].connected("e.1");
  sources[1].say("message", "e.2", { notification_type: "x" });
  assert.deepEqual([manager.state.status, manager.recipient, told.ids], ["connected", null, ["e.2"]]);
});

test("a stream that is refused for load waits as long as the service says, and was never connected", async (t) => {
  const { manager, tick } = await begun(t);
  const states = [];
  manager.onState(({ status }) => states.push(status));
  sources[0].onopen();
  sources[0].say("closing", null, { reason: "busy", retry_ms: 9000 });
  await settled();
  await tick(8999);
  assert.deepEqual([states, manager.state.reason, sources.length], [["reconnecting"], "busy", 1]);
  await tick(1);
  assert.equal(sources.length, 2);
});

test("a cursor that was kept for another user is not used", async (t) => {
  const items = storage(t, { [KEY]: "e.5 alice" });
  const { manager, told } = await begun(t);
  assert.equal(sources[0].query.last_event_id, "e.5");
  sources[0].connected("e.5", "bob");
  await settled();
  assert.deepEqual([isOpen(sources[0]), sources[1].query.last_event_id], [false, undefined]);
  sources[1].connected("e.9", "bob");
  sources[1].say("message", "e.10", { notification_type: "x" });
  assert.deepEqual([manager.state.status, told.ids], ["connected", ["e.10"]]);
  manager.close();
  assert.equal(items.get(KEY), "e.10 bob");
});

test("a cursor that was kept for the same user is", async (t) => {
  storage(t, { [KEY]: "e.5 alice" });
  await begun(t);
  sources[0].connected("e.5", "alice");
  assert.deepEqual([sources.length, isOpen(sources[0])], [1, true]);
});

test("after signOut() nothing of the user is left", async (t) => {
  const items = storage(t);
  const { manager, told } = await begun(t, { getToken: () => "alices" });
  sources[0].connected("e.1", "alice");
  sources[0].say("message", "e.2", { notification_type: "x" });
  manager.signOut();
  sources[0].say("message", "e.3", { notification_type: "x" });
  assert.deepEqual([told.ids, told.signOuts], [["e.2"], 1]);
  assert.deepEqual([manager.state.status, manager.state.recipient], ["closed", null]);
  assert.deepEqual([manager.cursor, manager.recipient, items.size, sources.filter(isOpen)], [null, null, 0, []]);
});

test("a page of the history that comes after the sign-out is not given", async (t) => {
  let give;
  globalThis.fetch = () => new Promise((resolve) => (give = resolve));
  const { manager } = await begun(t);
  sources[0].connected("e.1", "alice");
  const asked = manager.history();
  while (!give) await new Promise(setImmediate);
  manager.signOut();
  give(answer(page("alice")));
  await assert.rejects(asked, { code: "other_user" });
});

test("a page of the history that is another user's is not given", async (t) => {
  globalThis.fetch = async () => answer(page("bob"));
  const { manager } = await begun(t);
  sources[0].connected("e.1", "alice");
  await assert.rejects(manager.history(), { code: "other_user" });
});

test("switchUser() goes on as the new user, with a new token and no cursor of the last one", async (t) => {
  const items = storage(t, { [`${KEY}bob`]: "e.4 bob" });
  const { manager, told } = await begun(t, { user: "alice", share: "none", getToken: () => "alices" });
  sources[0].connected("e.1", "alice");
  manager.switchUser({ user: "bob", getToken: () => "bobs" });
  await settled();
  assert.deepEqual(sources[1].query, { last_event_id: "e.4", access_token: "bobs" });
  sources[1].connected("e.4", "bob");
  sources[1].say("message", "e.5", { notification_type: "x" });
  assert.deepEqual(
    [manager.state.status, manager.recipient, told],
    ["connected", "bob", { ids: ["e.5"], signOuts: 1 }],
  );
  assert.deepEqual([manager.options.user, items.has(`${KEY}alice`)], ["bob", false]);
});

test("switchUser() of one that was not connected does not connect it", async (t) => {
  const { manager } = await begun(t);
  manager.close();
  manager.switchUser({ user: "bob" });
  await settled();
  assert.deepEqual([manager.state.status, sources.filter(isOpen)], ["closed", []]);
});

test("a long poll whose cookie is replaced by another user's hands nothing of it over", async () => {
  const pages = [page("alice"), { ...page("bob"), items: [{ cursor: "e.10" }] }];
  const received = [];
  globalThis.fetch = async () => answer(pages.shift());
  const end = await new Promise((resolve) => {
    open({ base: URL_OF, cursor: "e.1" }, { receive: ({ event, data }) => received.push([event, data]), end: resolve });
  });
  assert.deepEqual(end, { reason: "other_user" });
  assert.deepEqual(received[0], ["connected", { heartbeat_s: 25, recipient_id: "alice" }]);
  assert.deepEqual(
    received.map(([event]) => event).filter((event) => event === "message"),
    [],
  );
});

test("a tab that reads another user's history in its gap fails, and hands nothing over", async () => {
  const told = { states: [], frames: [] };
  const filler = new GapFiller(
    { url: URL_OF, recipient: "alice" },
    {
      state: ({ status, reason }) => told.states.push([status, reason]),
      frame: ({ id }) => told.frames.push(id),
      reset: () => {},
    },
  );
  globalThis.fetch = async () => answer({ ...page("bob"), items: [{ cursor: "e.2" }] });
  filler.start("e.1");
  filler.hear({ event: "message", id: "e.9", prev: "e.8", data: {} });
  for (let turn = 0; turn < 1000 && !told.states.length; turn++) await new Promise(setImmediate);
  filler.hear({ event: "message", id: "e.10", prev: "e.9", data: {} });
  assert.deepEqual(told, { states: [["failed", "other_user"]], frames: [] });
});

/** What a shared worker is named and told, for a tab of `options`. */
function worker(t) {
  const made = [];
  globalThis.SharedWorker = class {
    constructor(_, { name }) {
      const hellos = [];
      made.push({ name: JSON.parse(name.slice("notify-sse:".length)), hellos });
      this.port = { postMessage: ({ joining }) => joining && hellos.push(joining), close() {} };
    }
  };
  t.after(() => delete globalThis.SharedWorker);
  return made;
}

async function shared(t, options, cursor = null) {
  const states = [];
  const connection = new SharedConnection(
    { url: URL_OF, user: "me", share: "worker", transport: "eventsource", random: () => 0, ...options },
    { state: ({ status }) => states.push(status), frame() {}, reset() {} },
  );
  t.after(() => connection.stop());
  connection.start(cursor);
  await new Promise(setImmediate);
  return states;
}

test("tabs share what is one recipient's, whatever their pages call the user", async (t) => {
  const made = worker(t);
  for (const recipient of ["alice", "bob"]) {
    globalThis.fetch = async () => answer(page(recipient));
    await shared(t, { cursorOf: "alice" }, "e.5");
  }
  assert.deepEqual(
    made.map(({ name, hellos }) => [name[3], hellos[0].options.recipient, hellos[0].cursor]),
    [
      ["alice", "alice", "e.5"],
      ["bob", "bob", "e.9"],
    ],
  );
});

test("where the service does not say whose it is, tabs go by what their pages call the user", async (t) => {
  const made = worker(t);
  globalThis.fetch = async () => answer(page(undefined));
  await shared(t, {});
  assert.deepEqual([made[0].name[2], made[0].name[3]], ["me", null]);
});

test("a tab that gets no answer has a connection of its own until it knows whose it is, and shares then", async (t) => {
  const made = worker(t);
  globalThis.fetch = async () => ({ ok: false, status: 503 });
  const states = await shared(t, {}, "e.5");
  assert.deepEqual([made.length, sources.length], [0, 1]);
  sources[0].connected("e.5", "alice");
  await settled();
  assert.deepEqual([made[0].name[3], made[0].hellos[0].cursor, isOpen(sources[0])], ["alice", "e.5", false]);
  assert.ok(!states.includes("connected"), "not before the worker says so");
});

test("a tab that is closed before the answer comes starts nothing", async (t) => {
  const made = worker(t);
  let give;
  globalThis.fetch = () => new Promise((resolve) => (give = resolve));
  const connection = new SharedConnection({ url: URL_OF, user: "me" }, { state() {}, frame() {}, reset() {} });
  connection.start(null);
  while (!give) await new Promise(setImmediate);
  connection.stop();
  give(answer(page("alice")));
  await new Promise(setImmediate);
  assert.equal(made.length, 0);
});
