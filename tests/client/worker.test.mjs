// The SharedWorker's side of tokens: the tabs bring them.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as messages from "../../notify_sse/client/src/tabs/messages.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";

const sources = FakeEventSource.all;
const OPTIONS = { url: "http://x/notifications", transport: "eventsource" };

/** A worker with `count` tabs; what each was asked for. */
async function worker(t, count) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  globalThis.EventSource = FakeEventSource;
  sources.length = 0;
  await import("../../notify_sse/client/src/tabs/worker.js");
  const tabs = Array.from({ length: count }, () => {
    const tab = { wanted: [], postMessage: ({ type, request }) => type === "needToken" && tab.wanted.push(request) };
    globalThis.onconnect({ ports: [tab] });
    tab.say = (data) => tab.onmessage({ data });
    return tab;
  });
  t.after(() => tabs.forEach((tab) => tab.say(messages.bye())));
  for (const tab of tabs) tab.say(messages.ping());
  for (const tab of tabs) tab.say(messages.hello({ cursor: "e.1", options: OPTIONS, hasToken: true }));
  return { tabs, tick: async (ms) => (t.mock.timers.tick(ms), settled()) };
}

test("a tab may take as long for a token as it could with a connection of its own", async (t) => {
  const {
    tabs: [tab],
    tick,
  } = await worker(t, 1);
  await tick(0);
  await tick(9000);
  tab.say(messages.token(tab.wanted[0], "late"));
  await settled();
  assert.deepEqual(
    sources.map(({ query }) => query.access_token),
    ["late"],
  );
});

test("another tab is asked when one does not answer, and the first answer counts", async (t) => {
  const {
    tabs: [dead, alive],
    tick,
  } = await worker(t, 2);
  await tick(0);
  dead.say(messages.ping());
  await tick(3000);
  assert.deepEqual(dead.wanted, alive.wanted);
  alive.say(messages.token(alive.wanted[0], "alive"));
  dead.say(messages.token(dead.wanted[0], "dead"));
  await settled();
  assert.deepEqual(
    sources.map(({ query }) => query.access_token),
    ["alive"],
  );
});
