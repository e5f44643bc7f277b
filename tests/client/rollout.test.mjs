// A service that begins with some of its users: the others poll until streams are enabled for them, and lose nothing between the two.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Connection } from "../../notify_sse/client/src/connection.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";

const sources = FakeEventSource.all;

beforeEach(() => {
  sources.length = 0;
  globalThis.EventSource = FakeEventSource;
});

/** A service with so many notifications stored, and what it answers to the question for the transport. */
function service() {
  const state = { transport: "poll", stored: 5, asked: [] };
  const json = (body) => ({
    status: 200,
    headers: new Headers({ "content-type": "application/json" }),
    json: async () => body,
  });
  globalThis.fetch = async (url) => {
    const path = url.pathname.split("/").at(-1);
    const after = Number(url.searchParams.get("after")?.split(".")[1] ?? state.stored);
    state.asked.push(url.searchParams.has("wait") ? `${path} wait` : path);
    if (path === "transport") return json({ transport: state.transport, poll_after_s: 5 });
    const items = Array.from({ length: state.stored - after }, (_, n) => ({
      cursor: `e.${after + 1 + n}`,
      notification_type: "x",
    }));
    return json({ items, cursor: `e.${state.stored}`, more: false, reset: null, recipient_id: "alice" });
  };
  return state;
}

async function begun(t, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const seen = [];
  const states = [];
  const connection = new Connection(
    { url: "http://x/notifications", random: () => 1, ...options },
    {
      state: ({ status }) => states.at(-1) !== status && states.push(status),
      frame: ({ event, id }) => event === "message" && seen.push(id),
      reset: () => {},
    },
  );
  connection.start("e.5");
  await loaded();
  t.after(() => connection.stop());
  return { connection, seen, states, tick: async (ms) => (t.mock.timers.tick(ms), await loaded()) };
}

async function loaded() {
  for (const name of ["longpoll", "fetch", "websocket"])
    await import(`../../notify_sse/client/src/transports/${name}.js`);
  await settled();
  await new Promise(setImmediate);
  await settled();
}

/** What a native EventSource tells of a 204. */
async function refuse(source) {
  source.readyState = 2;
  source.fail();
  await loaded();
}

test("it polls where it is told to, as often as it is told, then opens a stream, and goes back: nothing lost or doubled", async (t) => {
  const told = service();
  const { connection, seen, tick } = await begun(t);
  await refuse(sources[0]);
  await tick(0);
  assert.deepEqual(
    [connection.state.status, connection.state.transport, connection.state.reason],
    ["connected", "longpoll", "not_enabled"],
  );
  assert.ok(!told.asked.some((one) => one.endsWith("wait")), "no answer is waited for");
  told.stored = 7;
  const before = told.asked.length;
  await tick(4999);
  assert.equal(told.asked.length, before);
  await tick(1);
  assert.deepEqual(seen, ["e.6", "e.7"]);
  told.transport = "stream";
  told.stored = 8;
  await tick(5000);
  await tick(0);
  assert.equal(sources.length, 2, "a stream, with no try of it in between");
  assert.equal(sources[1].query.last_event_id, connection.cursor);
  sources[1].connected(connection.cursor, "alice");
  for (const id of ["e.7", "e.8", "e.9"]) sources[1].say("message", id);
  assert.deepEqual(seen, ["e.6", "e.7", "e.8", "e.9"]);
  assert.equal(connection.state.transport, "eventsource");
  told.transport = "poll";
  told.stored = 10;
  sources[1].say("closing", null, { reason: "drain", retry_ms: 100 });
  await loaded();
  await tick(1000);
  await refuse(sources[2]);
  await tick(0);
  assert.deepEqual(seen, ["e.6", "e.7", "e.8", "e.9", "e.10"]);
  assert.equal(connection.state.transport, "longpoll");
});

test("a stream that is read with fetch polls at once where it is told to, and is opened when it is enabled", async (t) => {
  const told = service();
  const answers = globalThis.fetch;
  const opened = [];
  globalThis.fetch = async (url, init) => {
    if (!url.pathname.endsWith("/stream")) return answers(url, init);
    opened.push(url.searchParams.get("last_event_id"));
    return { status: 204, headers: new Headers() };
  };
  const { connection, seen, tick } = await begun(t, { tokenIn: "header" });
  await tick(0);
  assert.deepEqual([connection.state.transport, connection.state.reason], ["longpoll", "not_enabled"]);
  told.stored = 6;
  await tick(5000);
  assert.deepEqual(seen, ["e.6"]);
  assert.equal(opened.length, 1, "it asks the service, and tries no stream in between");
  told.transport = "stream";
  await tick(5000);
  await tick(0);
  assert.deepEqual(opened, ["e.5", "e.6"]);
});

test("a WebSocket that is closed because of the rollout is followed by polls", async (t) => {
  const told = service();
  told.transport = "stream";
  const sockets = [];
  globalThis.WebSocket = class {
    constructor() {
      sockets.push(this);
    }
    send() {}
    close() {}
  };
  const { connection, tick } = await begun(t, { fallbackAfter: 1 });
  await refuse(sources[0]);
  await tick(0);
  assert.equal(connection.state.transport, "websocket");
  told.transport = "poll";
  sockets[0].onopen();
  sockets[0].onclose({ code: 4404, reason: "not_enabled" });
  await loaded();
  await tick(0);
  assert.deepEqual([connection.state.transport, connection.state.reason], ["longpoll", "not_enabled"]);
});

test("a stream that is refused for another reason falls back as before", async (t) => {
  service().transport = "stream";
  const { connection, tick } = await begun(t, { fallbackAfter: 1 });
  globalThis.WebSocket = class {
    close() {}
  };
  await refuse(sources[0]);
  await tick(0);
  assert.equal(connection.state.transport, "websocket");
});
