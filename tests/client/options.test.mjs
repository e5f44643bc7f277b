// The options of a manager: a mistake is told at once, with what was meant.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NotificationConnectionManager } from "../../notify_sse/client/src/manager.js";

const made = (options) => () => new NotificationConnectionManager(options);

test("an unknown name throws, and names the one that is like it", () => {
  for (const [name, meant] of Object.entries({
    tranport: "transport",
    gettoken: "getToken",
    connectTimeout: "connectTimeoutMs",
    userId: "user",
    topic: "topics",
    withCredential: "withCredentials",
    workerURL: "workerUrl",
    max_attempts: "maxAttempts",
  })) {
    assert.throws(made({ [name]: "x" }), ({ code, message }) => {
      assert.equal(code, "option");
      assert.match(message, new RegExp(`"${name}: string" is wrong.*Did you mean "${meant}"`));
      return true;
    });
  }
  assert.throws(made({ xyz: 1 }), (error) => !/Did you mean/.test(error.message));
});

test("a wrong value throws, and says which are right", () => {
  assert.throws(made({ transport: "webscoket" }), /takes auto\|eventsource\|.*Did you mean "websocket"/);
  assert.throws(made({ resume: "sesion" }), /Did you mean "session"/);
  assert.throws(made({ share: false }), /takes auto\|worker\|leader\|none/);
  assert.throws(made({ user: 7 }), /takes string/);
  for (const number of ["3", -1, Number.NaN]) assert.throws(made({ maxAttempts: number }), /takes number/);
});

test("a user may have a name that is like a negative number", () => {
  assert.equal(made({ user: "-1" })().options.user, "-1");
});

test("a token in the place of a function is not repeated in the error", () => {
  assert.throws(made({ getToken: "eyJhbGciOi" }), (error) => !error.message.includes("eyJ"));
});

test("undefined and null are no values: they have their default", () => {
  const { options } = made({ user: null, share: undefined, cursor: null, getToken: null })();
  assert.deepEqual(options, { topics: [], resume: "session", share: "auto", url: "http://localhost/notifications" });
});

test("an address may be a URL, and every option of the declaration is known", () => {
  assert.equal(made({ url: new URL("http://x/n/") })().options.url, "http://x/n");
  made({
    url: "/n",
    getToken: () => "t",
    tokenIn: "header",
    withCredentials: true,
    user: "a",
    topics: ["x"],
    transport: "auto",
    share: "none",
    workerUrl: "/w.js",
    resume: "none",
    cursor: "e.1",
    maxAttempts: 1,
    baseMs: 1,
    maxMs: 1,
    fallbackAfter: 1,
    upgradeAfterMs: 1,
    connectTimeoutMs: 1,
    failedRetryMs: 0,
    random: () => 1,
    initial: 20,
    debug: false,
  })();
});

test("switchUser() is checked too", () => {
  const manager = made({ user: "alice" })();
  assert.throws(() => manager.switchUser({ user: 7 }), /takes string/);
  assert.equal(manager.options.user, "alice", "and nothing has changed");
});
