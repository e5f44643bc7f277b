// What is wrong is said: to listeners, in the state, in the console once; in the service's own words.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { NotificationConnectionManager } from "../../notify_sse/client/src/manager.js";
import { FakeEventSource, settled } from "./fake-eventsource.mjs";

const sources = FakeEventSource.all;
const problem = (status, code, detail) => ({
  status,
  headers: new Headers({ "content-type": "application/problem+json" }),
  json: async () => ({ status, code, detail }),
});

beforeEach(() => {
  sources.length = 0;
  globalThis.EventSource = FakeEventSource;
});

/** A manager that is connecting, with the errors that it tells, and what the console was told. */
async function begun(t, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const said = t.mock.method(console, "error", () => {});
  const manager = new NotificationConnectionManager({ url: "http://x/notifications", random: () => 1, ...options });
  const told = { errors: [], asked: [] };
  manager.onError((error) => told.errors.push(error));
  manager.connect();
  await settled();
  t.after(() => manager.close());
  const ours = (text) => text.startsWith("notify-sse");
  const console_ = () => said.mock.calls.map(({ arguments: [text] }) => text).filter(ours);
  return { manager, told, console_, tick: async (ms) => (t.mock.timers.tick(ms), settled()) };
}

test("a token that lives too long for a URL is not the transport's fault: its words are told, nothing falls back", async (t) => {
  const asked = [];
  globalThis.fetch = async (url, { headers }) => {
    asked.push([url.searchParams.get("access_token"), headers.authorization]);
    return problem(401, "unauthorized", "a token in access_token may live 300 seconds at most");
  };
  const { manager, told, console_, tick } = await begun(t, { getToken: () => "long-lived" });
  sources[0].readyState = 2;
  sources[0].fail();
  await settled();
  const error = {
    code: "unauthorized",
    status: 401,
    detail: "a token in access_token may live 300 seconds at most",
    cause: null,
  };
  assert.deepEqual(manager.state.error, error);
  assert.deepEqual(told.errors, [error]);
  assert.deepEqual(asked, [["long-lived", undefined]], "it is asked in the way in which the stream was");
  await tick(2000);
  sources[1].readyState = 2;
  sources[1].fail();
  await settled();
  assert.deepEqual([manager.state.status, manager.state.transport], ["failed", "eventsource"]);
  assert.match(manager.state.message, /Sign in again/);
  assert.deepEqual(console_(), [`notify-sse: ${error.detail}`], "once");
});

test("what getToken throws reaches the page, and goes away with the connection", async (t) => {
  const cause = new Error("no session");
  let isSignedIn = false;
  const getToken = () => {
    if (!isSignedIn) throw cause;
    return "t";
  };
  const { manager, told, tick } = await begun(t, { getToken });
  await settled();
  assert.deepEqual(manager.state.error, {
    code: "token",
    status: null,
    detail: "getToken() failed: no session",
    cause,
  });
  assert.equal(told.errors[0].cause, cause);
  isSignedIn = true;
  await tick(1000);
  sources[0].connected("e.1");
  assert.deepEqual([manager.state.status, manager.state.error], ["connected", null]);
});

test("a sign-in page in place of a token is recognised, and never repeated", async (t) => {
  for (const given of ["<!doctype html><title>Sign in</title>", { token: "secret" }, '{"token":"secret"}']) {
    const { manager, console_ } = await begun(t, { getToken: () => given });
    assert.equal(manager.state.reason, "token");
    assert.match(manager.state.error.detail, /sign-in page/);
    assert.doesNotMatch(JSON.stringify([manager.state, console_()]), /secret|doctype/);
    manager.close();
    t.mock.reset();
  }
  assert.deepEqual(sources, [], "no stream was opened with it");
});

test("a token is not left where any script may read it: in the last input of a regular expression", async (t) => {
  /** @type {string[]} */
  const last = [];
  globalThis.EventSource = class extends FakeEventSource {
    constructor(url) {
      last.push(RegExp.input);
      super(url);
    }
  };
  await begun(t, { getToken: () => "head.claims.canary" });
  assert.equal(sources[0].query.access_token, "head.claims.canary");
  assert.ok(!last[0].includes("canary"), last[0]);
});

test("a token page that answers with HTML is told from a bug, where it was read as JSON", async (t) => {
  const { manager } = await begun(t, { getToken: () => JSON.parse("<html>") });
  assert.match(manager.state.error.detail, /sign-in page/);
});

test("an answer that is not the service's is no fault of the transport", async (t) => {
  globalThis.fetch = async () => ({
    status: 200,
    url: "http://x/notifications/history?access_token=secret",
    headers: new Headers({ "content-type": "text/html" }),
  });
  const { manager, tick } = await begun(t, { fallbackAfter: 1 });
  sources[0].fail();
  await settled();
  assert.deepEqual([manager.state.error.code, manager.state.reason], ["foreign_answer", "refused"]);
  assert.match(manager.state.error.detail, /^http:\/\/x\/notifications\/history answered with text\/html/);
  await tick(1000);
  assert.equal(sources.length, 2, "the same transport again");
});

test("the first answer of any kind is a place to go on from", async (t) => {
  globalThis.fetch = async () => ({
    status: 200,
    headers: new Headers({ "content-type": "application/json" }),
    json: async () => ({ cursor: "e.41", recipient_id: "alice", items: [] }),
  });
  const { manager, tick } = await begun(t);
  sources[0].fail();
  await settled();
  assert.equal(manager.cursor, "e.41");
  await tick(1000);
  assert.equal(sources[1].query.last_event_id, "e.41");
});

test("methods work by themselves and behind a proxy, as Vue's reactive() makes one", async (t) => {
  const { manager } = await begun(t);
  const wrapped = new Proxy(manager, {
    get: (target, name, receiver) => Reflect.get(target, name, receiver),
  });
  const told = [];
  const { onAll } = wrapped;
  onAll(({ cursor }) => told.push(cursor));
  wrapped.close();
  wrapped.connect();
  await settled();
  sources.at(-1).connected("e.1");
  sources.at(-1).say("message", "e.2", { notification_type: "x" });
  assert.deepEqual([wrapped.state.status, wrapped.cursor, told], ["connected", "e.2", ["e.2"]]);
});
