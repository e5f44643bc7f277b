// `debug: true`: the console says what happens, and never a token or a payload.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NotificationConnectionManager } from "../../notify_sse/client/src/manager.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";

const SECRET = "token-canary";
const TEXT = "payload-canary";

/** Resolved when the manager tells of it for the first time: on a busy machine that is not at once. */
const once = (manager, on) => new Promise((resolve) => manager[on](resolve));

/** What the console was told of a connection, its notification, its reset, its failure and its sign-out. */
async function said(t, options) {
  const lines = [];
  for (const level of ["debug", "warn"])
    t.mock.method(console, level, (...words) => lines.push([level, words.map(String), JSON.stringify(words)]));
  globalThis.EventSource = FakeEventSource;
  globalThis.fetch = async () => ({ ok: false, status: 503, headers: new Headers() });
  const manager = new NotificationConnectionManager({
    url: "http://x/notifications",
    transport: "eventsource",
    getToken: async () => SECRET,
    ...options,
  });
  await import("../../notify_sse/client/src/debug.js");
  const reset = once(manager, "onReset");
  const failed = once(manager, "onError");
  manager.connect();
  await settled();
  const source = FakeEventSource.all.at(-1);
  source.connected("e.3", "alice");
  const item = { notification_id: "n4", notification_type: "new_message", payload: { text: TEXT } };
  source.say("message", "e.4", item);
  source.say("reset", "e.9", { reason: "expired", from: "e.4", to: "e.9", history: "/notifications/history" });
  await reset;
  source.fail();
  await failed;
  manager.signOut();
  return lines;
}

test("with `debug` the console follows states, notifications, resets, failures and the sign-out", async (t) => {
  const lines = await said(t, { debug: true });
  const told = lines.map(([level, words]) => `${level} ${words.join(" ")}`);
  for (const part of [
    "debug notify-sse: connecting",
    "debug notify-sse: connected",
    "debug notify-sse: notification e.4 new_message n4",
    "debug notify-sse: reset expired e.4 → e.9",
    "warn notify-sse: ",
    "debug notify-sse: reconnecting",
    "debug notify-sse: signed out",
  ])
    assert.ok(
      told.some((line) => line.startsWith(part)),
      `${part} in ${told.join("\n")}`,
    );
  const everything = JSON.stringify(lines);
  assert.ok(!everything.includes(SECRET) && !everything.includes(TEXT), everything);
});

test("without it the console hears nothing of that", async (t) => {
  const lines = await said(t, {});
  assert.deepEqual(
    lines.filter(([level]) => level === "debug"),
    [],
  );
});
