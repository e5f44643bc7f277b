// A connection over EventSources that are opened, fed and ended by hand: what overlaps, ends or comes twice.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Connection } from "../../notify_sse/client/src/connection.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";

const sources = FakeEventSource.all;
const open = () => sources.filter((source) => source.readyState !== 2);

beforeEach(() => {
  sources.length = 0;
  globalThis.EventSource = FakeEventSource;
  globalThis.fetch = async () => ({ status: 503 });
});

/** A connection that starts from `cursor`, with what it says noted. */
async function begun(t, { cursor = null, ...options } = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const said = { ids: [], frames: [], resets: [], states: [], tokens: [] };
  const getToken = ({ reason }) => said.tokens.push(reason) && `token-${said.tokens.length}`;
  const connection = new Connection(
    { url: "http://x/notifications", getToken, random: () => 1, transport: "eventsource", ...options },
    {
      state: ({ status }) => said.states.at(-1) !== status && said.states.push(status),
      frame: (frame) => (said.frames.push(frame), frame.event === "message" && said.ids.push(frame.id)),
      reset: (data) => said.resets.push(data.to),
    },
  );
  connection.start(cursor);
  await settled();
  t.after(() => connection.stop());
  return { connection, said, tick: async (ms) => (t.mock.timers.tick(ms), settled()) };
}

test("it asks for a token before each connection, and goes on from the cursor", async (t) => {
  const { said, tick } = await begun(t, { cursor: "e.3" });
  assert.deepEqual(sources[0].query, { last_event_id: "e.3", access_token: "token-1" });
  sources[0].connected("e.3");
  sources[0].say("message", "e.4");
  sources[0].fail();
  await settled();
  await tick(1000);
  assert.deepEqual(sources[1].query, { last_event_id: "e.4", access_token: "token-2" });
  assert.deepEqual(said.tokens, ["connect", "retry"]);
});

test("one that runs already keeps its cursor when it is told to start, as by a tab that joins", async (t) => {
  const { connection, said } = await begun(t, { cursor: "e.3" });
  sources[0].connected("e.3");
  sources[0].say("message", "e.4");
  for (const cursor of ["e.1", "f.9", null]) connection.start(cursor);
  assert.equal(connection.cursor, "e.4");
  sources[0].say("message", "e.5");
  assert.deepEqual(said.frames.at(-1), { event: "message", id: "e.5", prev: "e.4", data: {} });
  assert.equal(sources.length, 1);
});

test("with no cursor it takes that of `connected`, and tells it, so that a reload before the first event loses nothing", async (t) => {
  const { connection, said } = await begun(t);
  sources[0].connected("e.9");
  assert.equal(connection.cursor, "e.9");
  assert.deepEqual(
    said.frames.map(({ event, id, prev }) => [event, id, prev]),
    [["connected", "e.9", null]],
  );
});

test("the cursor moves only by what was received, not by what `connected` claims", async (t) => {
  const { connection } = await begun(t, { cursor: "e.3" });
  sources[0].connected("e.9");
  assert.equal(connection.cursor, "e.3");
});

test("heartbeats move the cursor, so that an idle page has a young one", async (t) => {
  const { connection } = await begun(t, { cursor: "e.3" });
  sources[0].connected("e.3");
  sources[0].say("heartbeat", "e.7", { cursor: "e.7" });
  assert.equal(connection.cursor, "e.7");
});

test("what comes twice or out of order is told once and in order", async (t) => {
  const { said } = await begun(t, { cursor: "e.3" });
  sources[0].connected("e.3");
  for (const id of ["e.4", "e.4", "e.6", "e.5", "e.10", "e.9"]) sources[0].say("message", id);
  assert.deepEqual(said.ids, ["e.4", "e.6", "e.10"]);
});

test("at `expiring` the old stream lives until the new one is established, and what both send is told once", async (t) => {
  const { said, tick } = await begun(t, { cursor: "e.3" });
  const [old] = sources;
  old.connected("e.3");
  await tick(5000);
  old.say("expiring", "e.3", { expires_in_s: 4 });
  await tick(2000);
  const next = sources[1];
  assert.deepEqual(next.query, { last_event_id: "e.3", access_token: "token-2" });
  old.say("message", "e.4");
  assert.equal(open().length, 2);
  next.connected("e.3");
  assert.deepEqual(open(), [next]);
  for (const id of ["e.4", "e.5"]) next.say("message", id);
  assert.deepEqual(said.ids, ["e.4", "e.5"]);
  assert.deepEqual(said.states, ["connecting", "connected"]);
  assert.deepEqual(said.tokens, ["connect", "expiring"]);
});

test("a new stream that fails leaves the old one alone, and is tried again", async (t) => {
  const { said, tick } = await begun(t, { cursor: "e.3" });
  sources[0].connected("e.3");
  await tick(5000);
  sources[0].say("expiring", "e.3", { expires_in_s: 30 });
  await tick(10000);
  sources[1].fail();
  await tick(1000);
  sources[2].connected("e.3");
  assert.deepEqual(open(), [sources[2]]);
  assert.deepEqual(said.states, ["connecting", "connected"]);
});

test("when the old stream ends before the new one is there, the new one takes over", async (t) => {
  const { said, tick } = await begun(t, { cursor: "e.3" });
  sources[0].connected("e.3");
  await tick(5000);
  sources[0].say("expiring", "e.3", { expires_in_s: 4 });
  await tick(2000);
  sources[0].say("closing", "e.3", { reason: "token_expired", retry_ms: 0 });
  await settled();
  assert.equal(sources.length, 2);
  sources[1].connected("e.3");
  assert.deepEqual(said.states, ["connecting", "connected", "reconnecting", "connected"]);
});

test("tokens that are about to end whenever they come make no storm of swaps", async (t) => {
  const { tick } = await begun(t, { cursor: "e.3", random: () => 0 });
  for (let ms = 0; ms < 3000; ms += 100) {
    const source = sources.at(-1);
    if (!source.seen) {
      source.seen = true;
      source.connected("e.3");
      source.say("expiring", "e.3", { expires_in_s: 0.5 });
    }
    await tick(100);
  }
  assert.ok(sources.length <= 11, `${sources.length} in 3 s`);
});

test("a reset moves it to the new log, and what the old one still sends is dropped", async (t) => {
  const { connection, said } = await begun(t, { cursor: "e.3" });
  sources[0].connected(null);
  sources[0].say("reset", "f.9", { reason: "unknown_epoch", from: "e.3", to: "f.9" });
  sources[0].say("message", "e.4");
  sources[0].say("message", "f.10");
  assert.deepEqual([said.resets, said.ids, connection.cursor], [["f.9"], ["f.10"], "f.10"]);
});

test("one that is cut off between `connected` and `reset` still holds its old cursor", async (t) => {
  const { connection } = await begun(t, { cursor: "e.3" });
  sources[0].connected(null);
  sources[0].fail();
  assert.equal(connection.cursor, "e.3");
});

test("what cannot be read ends the connection, and is read again from the cursor", async (t) => {
  const { said, tick } = await begun(t, { cursor: "e.3" });
  sources[0].connected("e.3");
  sources[0].heard.get("message")({ type: "message", lastEventId: "e.4", data: "{" });
  await settled();
  sources[0].say("message", "e.5");
  await tick(1000);
  assert.deepEqual([said.ids, sources[1].query.last_event_id], [[], "e.3"]);
});

test("silence of two heartbeats and a second ends it; any event is a sign of life", async (t) => {
  const { said, tick } = await begun(t, { cursor: "e.3" });
  sources[0].connected("e.3");
  await tick(20000);
  sources[0].say("heartbeat", "e.3");
  await tick(30000);
  assert.equal(said.states.at(-1), "connected");
  await tick(1000);
  assert.equal(said.states.at(-1), "reconnecting");
});

test("no answer within the connect timeout is a failure", async (t) => {
  const { said, tick } = await begun(t, { connectTimeoutMs: 3000 });
  await tick(3000);
  assert.equal(said.states.at(-1), "reconnecting");
  assert.deepEqual(open(), []);
});

test("a token that cannot be had is a failure with its own reason, and opens nothing", async (t) => {
  const getToken = async () => {
    throw new Error("signed out");
  };
  const { connection } = await begun(t, { getToken });
  assert.deepEqual([sources.length, connection.state.reason, connection.state.status], [0, "token", "reconnecting"]);
});

test("what was stopped stays stopped, also when its token comes late", async (t) => {
  let bring;
  const { connection, tick } = await begun(t, { getToken: () => new Promise((resolve) => (bring = resolve)) });
  connection.stop();
  bring("late");
  await tick(60000);
  assert.deepEqual([sources.length, connection.state.status], [0, "closed"]);
});

test("a new stream that fails again and again is tried less and less often, and a token that is refused is not asked from a cache", async (t) => {
  const { said, tick } = await begun(t, { cursor: "e.3" });
  globalThis.fetch = async () => ({ status: 401 });
  sources[0].connected("e.3");
  await tick(5000);
  sources[0].say("expiring", "e.3", { expires_in_s: 20 });
  await tick(10000);
  for (const waitMs of [1000, 2000, 4000, 8000]) {
    sources.at(-1).fail();
    await settled();
    const count = sources.length;
    await tick(waitMs - 1);
    assert.equal(sources.length, count, `${waitMs} ms`);
    sources[0].say("heartbeat", "e.3");
    await tick(1);
    assert.equal(sources.length, count + 1, `${waitMs} ms`);
  }
  assert.deepEqual(said.tokens, ["connect", "expiring", ...Array(4).fill("unauthorized")]);
  assert.deepEqual(said.states, ["connecting", "connected"]);
});

test("a transport that connects and then says nothing is left for the next one", async (t) => {
  globalThis.fetch = async () => ({ status: 200 });
  const { connection, tick } = await begun(t, { transport: "auto", fallbackAfter: 2, cursor: "e.3" });
  for (let n = 0; n < 2; n++) {
    sources[n].connected("e.3");
    await tick(31000);
    await tick(n ? 0 : 1000);
  }
  assert.deepEqual([connection.state.reason, connection.state.transport], ["stalled", "websocket"]);
});

test("streams that are cut young blame their transport only when the service answers", async (t) => {
  for (const [status, transport] of [
    [503, "eventsource"],
    [200, "websocket"],
  ]) {
    sources.length = 0;
    globalThis.fetch = async () => ({ status });
    const { connection, said, tick } = await begun(t, { transport: "auto", fallbackAfter: 2, cursor: "e.3" });
    for (let n = 0; n < 2; n++) {
      sources[n].connected("e.3");
      await settled(); // what it takes to find out why is fetched once it is up
      sources[n].fail();
      assert.equal(said.states.at(-1), "reconnecting", "told before it is known why");
      await settled();
      await tick(n ? 0 : 1000);
    }
    assert.equal(connection.state.transport, transport);
    connection.stop();
    t.mock.timers.reset();
  }
});

test("woken by another network it makes sure with a second stream; woken by a look it does so only after silence", async (t) => {
  const { connection, tick } = await begun(t, { cursor: "e.3" });
  sources[0].connected("e.3");
  connection.wake(false);
  await tick(16000);
  assert.equal(sources.length, 1);
  connection.wake(false);
  await settled();
  assert.equal(sources.length, 2);
  sources[1].connected("e.3");
  connection.wake(true);
  await settled();
  assert.equal(sources.length, 3);
});

test("woken while it waits, it tries at once", async (t) => {
  const { connection } = await begun(t, { cursor: "e.3" });
  sources[0].fail();
  await settled();
  connection.wake(false);
  await settled();
  assert.equal(sources.length, 2);
});
