// A connection on a fallback, whose sockets are fed by hand: when it climbs up again, and when not.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Connection } from "../../notify_sse/client/src/connection.js";
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
