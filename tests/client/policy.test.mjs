// The state machine of a connection, and its back-off.
import assert from "node:assert/strict";
import { test } from "node:test";
import { backoffMs, ceilingMs, INITIAL, messageFor, next, RULES } from "../../notify_sse/client/src/policy.js";

const rules = { ...RULES, random: () => 1, levels: 3 };
const fact = (reason, more = {}) => ({
  kind: "down",
  end: { reason },
  livedMs: 0,
  atFault: false,
  online: true,
  ...more,
});
const after = (facts, from = INITIAL, by = rules) => facts.reduce((state, one) => next(state, one, by), from);
const up = { kind: "up", level: 0 };

test("the ceilings of the waits are 1, 2, 4, 8 s and stay there", () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 50].map((n) => ceilingMs(n, rules)),
    [1000, 2000, 4000, 8000, 8000, 8000],
  );
});

test("the jitter is full: every wait from nothing to the ceiling is as likely as another", () => {
  for (const part of [0, 0.25, 0.999]) assert.equal(backoffMs(3, { ...rules, random: () => part }), part * 4000);
});

test("failures in a row wait longer and longer, and one after a proven connection starts from the beginning", () => {
  const waits = [];
  let state = INITIAL;
  for (let n = 0; n < 5; n++) waits.push((state = next(state, fact("network"), rules)).delayMs);
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 8000]);
  state = after([up, fact("network", { livedMs: 6000 })], state);
  assert.deepEqual([state.attempt, state.delayMs], [1, 1000]);
});

test("a connection that dies young does not start the counting anew", () => {
  const state = after([fact("network"), up, fact("network", { livedMs: 100 }), up, fact("network", { livedMs: 100 })]);
  assert.equal(state.attempt, 3);
});

test("after maxAttempts failures it has failed, and says why in words", () => {
  const state = after(Array(10).fill(fact("network")));
  assert.equal(state.status, "failed");
  assert.match(messageFor(state), /Refresh the page or check your network/);
  assert.equal(after(Array(9).fill(fact("network"))).status, "reconnecting");
});

test("while failed it tries again about once a minute, unless told not to, without taking the word back", () => {
  const failed = after(Array(10).fill(fact("network")));
  assert.equal(failed.delayMs, 90000);
  assert.equal(next(failed, { kind: "try" }, rules).status, "failed");
  assert.equal(after([{ kind: "try" }, fact("network")], failed).status, "failed");
  assert.equal(after([{ kind: "try" }, up], failed).status, "connected");
  assert.equal(after(Array(10).fill(fact("network")), INITIAL, { ...rules, failedRetryMs: 0 }).delayMs, null);
});

test("retry gives all attempts back", () => {
  const state = after([...Array(10).fill(fact("network")), { kind: "retry" }, { kind: "try" }]);
  assert.deepEqual([state.status, state.attempt], ["reconnecting", 0]);
});

test("a first try is connecting, any later one reconnecting", () => {
  assert.equal(after([{ kind: "try" }]).status, "connecting");
  assert.equal(after([up, { kind: "try" }]).status, "reconnecting");
  assert.equal(after([fact("network"), { kind: "try" }]).status, "reconnecting");
});

test("an end that the service announced counts as no failure and waits as long as it said", () => {
  const end = { reason: "drain", retryMs: 2345 };
  const state = after([fact("network"), up, { ...fact(), end, livedMs: 2000 }]);
  assert.deepEqual([state.status, state.attempt, state.delayMs], ["reconnecting", 0, 2345]);
  assert.equal(after([up, fact("token_expired", { livedMs: 3000 })]).delayMs, 0);
});

test("a drain with no delay given is spread, and no service can make a client wait for over 30 s", () => {
  assert.equal(after([up, fact("drain", { livedMs: 2000 })]).delayMs, 1000);
  const end = { reason: "drain", retryMs: 1e9 };
  assert.equal(after([up, { ...fact(), end, livedMs: 2000 }]).delayMs, 30000);
});

test("tokens that expire at once are a failure, not a loop", () => {
  const state = after([up, fact("token_expired", { livedMs: 100 }), up, fact("token_expired", { livedMs: 100 })]);
  assert.deepEqual([state.attempt, state.delayMs], [2, 2000]);
});

test("a token refused twice in a row has failed; a forbidden one at once; neither tries again by itself", () => {
  const once = after([fact("unauthorized")]);
  assert.equal(once.status, "reconnecting");
  const twice = next(once, fact("unauthorized"), rules);
  assert.deepEqual([twice.status, twice.delayMs], ["failed", null]);
  assert.match(messageFor(twice), /Sign in/);
  assert.deepEqual([after([fact("forbidden")]).status, after([fact("forbidden")]).delayMs], ["failed", null]);
  assert.equal(after([fact("unauthorized"), up, fact("unauthorized")]).status, "reconnecting");
});

test("a swap whose token was refused disturbs nothing, and counts once the stream ends for that", () => {
  const state = after([up, { kind: "refused", end: { reason: "unauthorized" } }]);
  assert.equal(state.status, "connected");
  assert.equal(after([fact("token_expired", { livedMs: 9000 }), fact("unauthorized")], state).status, "failed");
});

test("a revoked token is asked for once more, and replaced streams do not fight", () => {
  assert.equal(after([up, fact("revoked", { livedMs: 9000 })]).refusals, 1);
  assert.deepEqual([after([up, fact("replaced")]).status, after([up, fact("replaced")]).delayMs], ["failed", null]);
});

test("off the network nothing counts, and it is tried every 8 s all the same", () => {
  const state = after([fact("network", { online: false }), fact("network", { online: false })]);
  assert.deepEqual([state.status, state.attempt, state.delayMs], ["offline", 0, 8000]);
  assert.equal(next(state, { kind: "try" }, rules).status, "offline");
});

test("it falls back after three failures that are the transport's own fault, and no others", () => {
  const blamed = fact("refused", { atFault: true });
  assert.equal(after([blamed, blamed]).level, 0);
  assert.equal(after([blamed, blamed, blamed]).level, 1);
  assert.equal(after(Array(8).fill(fact("network"))).level, 0);
  assert.equal(
    after(Array(9).fill(blamed), INITIAL, { ...rules, maxAttempts: 99 }).level,
    0,
    "round again from the last",
  );
});

test("with one transport there is nothing to fall back to", () => {
  assert.equal(after(Array(5).fill(fact("refused", { atFault: true })), INITIAL, { ...rules, levels: 1 }).level, 0);
});

test("stopping forgets the failures and keeps the transport", () => {
  const state = after([{ kind: "up", level: 2 }, fact("network"), { kind: "stop", status: "paused" }]);
  assert.deepEqual([state.status, state.attempt, state.level, state.delayMs], ["paused", 0, 2, null]);
});
