// A tab's end of a shared stream, and the host's: in what order and in how large pieces a page is told, and when a tab leaves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Host } from "../../notify_sse/client/src/tabs/host.js";
import { Member } from "../../notify_sse/client/src/tabs/member.js";
import * as messages from "../../notify_sse/client/src/tabs/messages.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";

const SLICE_MS = 8;

/** A member with what its page is told; each notification costs the page 1 ms. */
function world(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  const told = { ids: [], states: [], said: [], lost: 0 };
  const sink = {
    frame: ({ event, id }) => event === "message" && (t.mock.timers.tick(1), told.ids.push(id)),
    reset: () => {},
    state: ({ status }) => told.states.push([status, told.ids.length]),
  };
  const member = new Member({}, sink, {
    say: ({ type }) => told.said.push(type),
    lost: () => told.lost++,
    wanted: () => {},
  });
  member.start("e.0");
  t.after(() => member.stop());
  return { member, told };
}

const frames = (count) =>
  Array.from({ length: count }, (_, n) => ({ event: "message", id: `e.${n + 1}`, prev: `e.${n}`, data: {} }));

const task = () => new Promise(setImmediate);

test("a message of many frames is told in slices, in order, and the state after it", async (t) => {
  const { member, told } = world(t);
  member.hear({ data: messages.frames(frames(200)) });
  member.hear({ data: messages.stateChanged({ status: "connected" }) });
  assert.ok(told.ids.length <= SLICE_MS + 2, `${told.ids.length} at once`);
  while (told.ids.length < 200) await task();
  while (!told.states.length) await task();
  assert.deepEqual(
    told.ids,
    frames(200).map(({ id }) => id),
  );
  assert.deepEqual(told.states, [["connected", 200]]);
});

test("a page that left in the middle of a message hears no more of it", async (t) => {
  const { member, told } = world(t);
  member.hear({ data: messages.frames(frames(50)) });
  member.hear({ data: messages.stateChanged({ status: "connected" }) });
  const count = told.ids.length;
  member.stop();
  member.hear({ data: messages.frames(frames(60).slice(50)) });
  for (let n = 0; n < 20; n++) await task();
  assert.deepEqual([told.ids.length, told.states], [count, []]);
});

test("the other end is left after two pings without an answer, not when the answer only waits behind a busy page", (t) => {
  const { member, told } = world(t);
  t.mock.timers.tick(10000);
  t.mock.timers.tick(10000);
  assert.deepEqual([told.said, told.lost], [["ping", "ping"], 0]);
  member.hear({ data: messages.pong() });
  t.mock.timers.tick(1000);
  assert.equal(told.lost, 0);
  for (let n = 0; n < 2; n++) t.mock.timers.tick(10000);
  t.mock.timers.tick(1000);
  assert.equal(told.lost, 1);
});

test("a host that is stopped tells what came, and nothing of its own end", async () => {
  globalThis.EventSource = FakeEventSource;
  FakeEventSource.all.length = 0;
  const posted = [];
  const host = new Host({ url: "http://x/notifications", transport: "eventsource" }, (message) => posted.push(message));
  host.start("e.0");
  await settled();
  const [source] = FakeEventSource.all;
  source.connected("e.0");
  source.say("message", "e.1");
  host.stop();
  assert.deepEqual(
    posted.map(({ state, frames }) => state?.status ?? frames.map(({ id }) => id)),
    ["connecting", "connected", ["e.1"]],
  );
});
