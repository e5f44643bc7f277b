// A new token for a stream that is open, over a WebSocket; and tickets in place of tokens in URLs.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Connection } from "../../notify_sse/client/src/connection.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";

const sources = FakeEventSource.all;
const sockets = [];
const URL_OF_SERVICE = "http://x/notifications";

class FakeWebSocket {
  static OPEN = 1;
  readyState = 1;
  sent = [];
  constructor() {
    sockets.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
  say(event, id, data = {}) {
    if (this.readyState === 1) this.onmessage({ data: JSON.stringify({ event, id, data }) });
  }
  up(recipient = "alice") {
    this.onopen();
    this.say("connected", "e.3", { heartbeat_s: 9999, recipient_id: recipient });
  }
  end(code, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
  }
}

beforeEach(() => {
  sources.length = sockets.length = 0;
  Object.assign(globalThis, { EventSource: FakeEventSource, WebSocket: FakeWebSocket });
  globalThis.fetch = async () => ({ status: 200 });
});

async function begun(t, options) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  const states = [];
  const tokens = [];
  const getToken = ({ reason }) => {
    tokens.push(reason);
    return `token-${tokens.length}`;
  };
  const connection = new Connection(
    { url: URL_OF_SERVICE, random: () => 1, getToken, ...options },
    { state: ({ status, error }) => states.push([status, error?.code]), frame: () => {}, reset: () => {} },
  );
  connection.start("e.3");
  await loaded();
  t.after(() => connection.stop());
  const tick = async (ms) => (t.mock.timers.tick(ms), await loaded());
  return { connection, states, tokens, tick };
}

/** Transports are modules that are imported when they are needed. */
async function loaded() {
  for (const name of ["websocket", "ticket"]) {
    await settled();
    await import(`../../notify_sse/client/src/transports/${name}.js`);
  }
  await settled();
}

const statuses = (states) => states.map(([status]) => status).filter((status, at, all) => status !== all[at - 1]);

test("a WebSocket goes on with a new token: no second one is opened", async (t) => {
  const { states, tokens, tick } = await begun(t, { transport: "websocket" });
  const [socket] = sockets;
  socket.up();
  for (const token of ["token-2", "token-3"]) {
    await tick(60000);
    socket.say("expiring", "e.3", { expires_in_s: 10 });
    await tick(5000);
    assert.deepEqual(socket.sent.at(-1), { token });
  }
  assert.equal(sockets.length, 1);
  assert.deepEqual(tokens, ["connect", "expiring", "expiring"]);
  assert.deepEqual(statuses(states), ["connecting", "connected"]);
});

test("tokens that are about to end whenever they come make no storm on it", async (t) => {
  const { tick } = await begun(t, { transport: "websocket", random: () => 0 });
  const [socket] = sockets;
  socket.up();
  await tick(60000);
  let answered = 0;
  for (let ms = 0; ms < 3000; ms += 100) {
    if (socket.sent.length > answered) answered = socket.sent.length;
    socket.say("expiring", "e.3", { expires_in_s: 0.5 });
    await tick(100);
  }
  const renewed = socket.sent.filter(({ type }) => !type).length;
  assert.ok(renewed <= 10, `${renewed} in 3 s`);
});

test("a new token that is not taken is tried on a new connection, which is told what is wrong with it", async (t) => {
  for (const code of [4400, 4401, 4403]) {
    const { tokens, tick, connection } = await begun(t, { transport: "websocket" });
    sockets.at(-1).up();
    await tick(60000);
    sockets.at(-1).say("expiring", "e.3", { expires_in_s: 10 });
    await tick(5000);
    sockets.at(-1).end(code, "the token is another recipient's");
    await loaded();
    await tick(0);
    assert.equal(tokens.at(-1), "retry");
    sockets.at(-1).up("mallory");
    await loaded();
    assert.deepEqual([connection.state.status, connection.state.reason], ["failed", "other_user"]);
    connection.stop();
    t.mock.timers.reset();
  }
});

test("without a new token the stream lives on, and it is asked for again", async (t) => {
  let calls = 0;
  const getToken = () => {
    calls += 1;
    if (calls === 2) throw new Error("the token server is away");
    return `token-${calls}`;
  };
  t.mock.method(console, "error", () => {});
  const { states, tick } = await begun(t, { transport: "websocket", getToken });
  const [socket] = sockets;
  socket.up();
  await tick(60000);
  socket.say("expiring", "e.3", { expires_in_s: 10 });
  await tick(5000);
  await tick(1000);
  assert.deepEqual(socket.sent.at(-1), { token: "token-3" });
  assert.match(console.error.mock.calls[0].arguments[0], /the token server is away/);
  assert.deepEqual(statuses(states), ["connecting", "connected"]);
});

test("with the cookie a second WebSocket takes over: there is no token to send", async (t) => {
  const { tick } = await begun(t, { transport: "websocket", getToken: undefined });
  sockets[0].up();
  await tick(60000);
  sockets[0].say("expiring", "e.3", { expires_in_s: 10 });
  await tick(5000);
  assert.equal(sockets.length, 2);
});

/** What is asked of the service, and its answers to questions for tickets. */
function ticketsOf(...statuses) {
  const asked = [];
  globalThis.fetch = async (url, { method, headers } = {}) => {
    const path = new URL(url).pathname.split("/").at(-1);
    asked.push([method ?? "GET", path, headers?.authorization, new URL(url).search]);
    if (path !== "ticket") return { ok: true, status: 200, headers: new Headers(), json: async () => ({}) };
    const status = statuses.shift() ?? 201;
    const ticket = `ticket-${asked.length}`;
    return { ok: status < 300, status, headers: new Headers(), json: async () => ({ ticket, expires_in_s: 30 }) };
  };
  return asked;
}

test("with tickets each stream asks for one, and no token is in a URL", async (t) => {
  const asked = ticketsOf();
  const { tick } = await begun(t, { tokenIn: "ticket" });
  assert.deepEqual(sources[0].query, { last_event_id: "e.3", ticket: "ticket-1" });
  sources[0].connected("e.3", "alice");
  await tick(6000);
  sources[0].fail();
  await loaded();
  await tick(1000);
  assert.equal(sources[1].query.ticket, "ticket-2");
  assert.deepEqual(
    asked.filter(([, path]) => path === "ticket").map(([method, , token]) => [method, token]),
    [
      ["POST", "Bearer token-1"],
      ["POST", "Bearer token-2"],
    ],
  );
  assert.ok(asked.every(([, , , query]) => !query.includes("token")));
});

test("a stream that is refused a ticket says why: the token is asked for again, and then it has failed", async (t) => {
  t.mock.method(console, "error", () => {});
  ticketsOf(401, 401);
  const { connection, tokens, tick } = await begun(t, { tokenIn: "ticket" });
  await tick(1000);
  assert.deepEqual(tokens, ["connect", "unauthorized"]);
  assert.deepEqual([connection.state.status, connection.state.reason], ["failed", "unauthorized"]);
});

test("a service that gives no tickets is asked no more: the WebSocket needs none", async (t) => {
  ticketsOf(404);
  const { connection, tick } = await begun(t, { tokenIn: "ticket" });
  await tick(0);
  assert.equal(connection.state.transport, "websocket");
  sockets[0].up();
  assert.equal(connection.state.status, "connected");
  assert.equal(sources.length, 0);
});

test("one that is closed while its ticket is under way opens nothing", async (t) => {
  let answer;
  globalThis.fetch = () => new Promise((resolve) => (answer = resolve));
  const { connection } = await begun(t, { tokenIn: "ticket" });
  connection.stop();
  answer({ ok: true, status: 201, headers: new Headers(), json: async () => ({ ticket: "late" }) });
  await loaded();
  assert.equal(sources.length, 0);
});

test("with the cookie no ticket is needed", async (t) => {
  const asked = ticketsOf();
  await begun(t, { tokenIn: "ticket", getToken: undefined });
  assert.deepEqual(sources[0].query, { last_event_id: "e.3" });
  assert.deepEqual(asked, []);
});
