// A connection on a fallback, whose sockets are fed by hand: when it climbs up again, and when not.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Connection } from "../../notify_sse/client/src/connection.js";
import { INITIAL, next, RULES } from "../../notify_sse/client/src/policy.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";

const UPGRADE_MS = 60000;
const sources = FakeEventSource.all;
const sockets = [];

class FakeWebSocket {
  constructor() {
    sockets.push(this);
  }
  send() {}
  close() {
    this.closed = true;
  }
  say(event, id, data = {}) {
    if (!this.closed) this.onmessage({ data: JSON.stringify({ event, id, data }) });
  }
}

beforeEach(() => {
  sources.length = sockets.length = 0;
  Object.assign(globalThis, { EventSource: FakeEventSource, WebSocket: FakeWebSocket });
  globalThis.fetch = async () => ({ status: 200 });
});

/** One that fell back to a WebSocket, with heartbeats so rare that no test meets their absence. */
async function fallen(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  const connection = new Connection(
    { url: "http://x/notifications", random: () => 1, fallbackAfter: 1, upgradeAfterMs: UPGRADE_MS },
    { state: () => {}, frame: () => {}, reset: () => {} },
  );
  connection.start("e.3");
  await settled();
  t.after(() => connection.stop());
  const tick = async (ms) => (t.mock.timers.tick(ms), await loaded());
  sources[0].fail();
  await settled();
  await tick(1000);
  up(sockets[0]);
  assert.deepEqual([connection.state.status, connection.state.transport], ["connected", "websocket"]);
  return { connection, tick };
}

/** The transports are modules that are imported when they are needed. */
async function loaded() {
  await settled();
  await import("../../notify_sse/client/src/transports/websocket.js");
  await settled();
}

function up(socket) {
  socket.onopen();
  socket.say("connected", "e.3", { heartbeat_s: 9999 });
}

test("one that was replaced stays so, on a fallback too", async (t) => {
  const { connection, tick } = await fallen(t);
  sockets[0].onclose({ code: 4003 });
  await settled();
  await tick(UPGRADE_MS * 2);
  assert.deepEqual([connection.state.status, connection.state.reason], ["failed", "replaced"]);
  assert.deepEqual([sources.length, sockets.length], [1, 1]);
});

test("swaps for new tokens do not put off the better transport", async (t) => {
  const { tick } = await fallen(t);
  for (let n = 0; n < 5; n++) {
    await tick(10000);
    sockets[n].say("expiring", "e.3", { expires_in_s: 2 });
    await tick(1000);
    up(sockets[n + 1]);
  }
  assert.equal(sources.length, 1);
  await tick(5000);
  assert.equal(sources.length, 2, "60 s after it fell back");
});

test("a better transport that fails does not put off the swap for a new token", async (t) => {
  const { connection, tick } = await fallen(t);
  await tick(UPGRADE_MS - 1000);
  sockets[0].say("expiring", "e.3", { expires_in_s: 20 });
  await tick(1000);
  assert.equal(sources.length, 2, "it is tried");
  sources[1].fail();
  await tick(9000);
  assert.equal(sockets.length, 2, "10 s after `expiring`");
  up(sockets[1]);
  await tick(UPGRADE_MS);
  assert.equal(sources.length, 3, "and is tried again");
  assert.equal(connection.state.transport, "websocket");
});

/** A connection that has just begun, with what it asks of the history noted. */
async function begun(t, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  const frames = [];
  const connection = new Connection(
    { url: "http://x/notifications", random: () => 1, ...options },
    { state: () => {}, frame: (frame) => frames.push(frame), reset: () => {} },
  );
  connection.start(null);
  await loaded();
  t.after(() => connection.stop());
  return { connection, frames, tick: async (ms) => (t.mock.timers.tick(ms), await loaded()) };
}

test("where a proxy swallows the stream, the next transport is tried beside it, and connected within 5 s", async (t) => {
  const { connection, tick } = await begun(t);
  await tick(1000);
  await tick(600);
  assert.deepEqual([sources.length, sockets.length], [1, 1], "1.6 s");
  assert.equal(sources[0].readyState, 0, "which goes on trying");
  up(sockets[0]);
  assert.deepEqual([connection.state.status, connection.state.transport], ["connected", "websocket"]);
  assert.equal(sources[0].readyState, 2);
});

test("where the WebSocket is refused as well, long polling is tried at once; where it is swallowed, soon", async (t) => {
  const asked = [];
  globalThis.fetch = async (url) => {
    asked.push(url.searchParams.get("limit"));
    return {
      status: 200,
      json: async () => ({ items: [], cursor: "e.7", more: false, reset: null, recipient_id: "a" }),
    };
  };
  const { connection, tick, frames } = await begun(t);
  await tick(1000);
  await tick(600);
  sockets[0].onclose({ code: 1006 });
  await import("../../notify_sse/client/src/transports/longpoll.js");
  await loaded();
  assert.deepEqual([connection.state.status, connection.state.transport], ["connected", "longpoll"]);
  assert.equal(frames[0].id, "e.7", "a cursor from the first answer");
});

test("a stream that comes late, but before the one beside it, is kept", async (t) => {
  const { connection, tick } = await begun(t);
  await tick(1000);
  await tick(600);
  sources[0].connected("e.3");
  await loaded();
  assert.deepEqual([connection.state.transport, sockets[0].closed], ["eventsource", true]);
});

test("it begins with the transport that worked the last time", async (t) => {
  const { connection } = await begun(t, { first: "websocket" });
  assert.deepEqual([sources.length, sockets.length], [0, 1]);
  up(sockets[0]);
  assert.equal(connection.state.transport, "websocket");
  const other = await begunWith(t, "carrier-pigeon");
  assert.equal(other.state.transport, "eventsource");
});

async function begunWith(t, first) {
  const connection = new Connection(
    { url: "http://x/notifications", first },
    { state: () => {}, frame: () => {}, reset: () => {} },
  );
  connection.start(null);
  t.after(() => connection.stop());
  return connection;
}

test("where nothing answers, not even the question why, each try goes through all transports after three", async (t) => {
  globalThis.fetch = async () => {
    throw new TypeError("Failed to fetch");
  };
  const { connection, tick } = await begun(t);
  for (const [n, waitMs] of [1000, 2000].entries()) {
    sources[n].fail();
    await loaded();
    assert.equal(sockets.length, 0);
    await tick(waitMs);
  }
  sources[2].fail();
  await loaded();
  await tick(0);
  assert.deepEqual([sources.length, sockets.length], [3, 1], "the WebSocket at once");
  up(sockets[0]);
  assert.deepEqual([connection.state.status, connection.state.transport], ["connected", "websocket"]);
});

test("a try that goes through all transports counts once, and begins with the best one", () => {
  const rules = { ...RULES, random: () => 1, levels: 3, maxAttempts: 5 };
  const down = {
    kind: "down",
    end: { reason: "network" },
    livedMs: 0,
    atFault: false,
    isUnreached: true,
    online: true,
  };
  const tries = [];
  let state = INITIAL;
  for (let n = 0; n < 9 && state.status !== "failed"; n++) {
    state = next(state, down, rules);
    tries.push([state.attempt, state.level, state.delayMs]);
  }
  assert.deepEqual(tries.slice(0, 8), [
    [1, 0, 1000],
    [2, 0, 2000],
    [3, 1, 0],
    [3, 2, 0],
    [4, 0, 8000],
    [4, 1, 0],
    [4, 2, 0],
    [5, 0, tries[7][2]],
  ]);
  assert.equal(state.status, "failed");
});

test("fetch without a body to read, as in React Native, is left for the next transport at once", async (t) => {
  globalThis.fetch = async () => ({ status: 200, body: null, headers: new Headers() });
  const { connection, tick } = await begun(t, { tokenIn: "header" });
  await import("../../notify_sse/client/src/transports/fetch.js");
  await loaded();
  await tick(0);
  up(sockets[0]);
  assert.deepEqual([connection.state.status, connection.state.transport], ["connected", "websocket"]);
});
