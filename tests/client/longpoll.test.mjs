// Long polling: which token each poll is made with.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NotificationError } from "../../notify_sse/client/src/errors.js";
import { open } from "../../notify_sse/client/src/transports/longpoll.js";

const jwt = (name, leftS) =>
  `${name}.${Buffer.from(JSON.stringify({ exp: Date.now() / 1000 + leftS })).toString("base64url")}.x`;

/** Polls until `statuses` (of the answers, in turn) are used up; what was asked with what, and how it ended. */
async function polled(statuses, { token, fresh }) {
  const answers = statuses.length;
  const asked = [];
  const reasons = [];
  globalThis.fetch = async (_, { headers, signal }) => {
    asked.push(headers.authorization.slice("Bearer ".length));
    const status = statuses.shift();
    if (!status)
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
    return { status, json: async () => ({ items: [{ cursor: "e.1" }], cursor: "e.1", reset: null }) };
  };
  const freshToken = async (reason) => (reasons.push(reason), fresh());
  const ends = [];
  const close = open(
    { base: "http://x/n", cursor: "e.0", token, freshToken },
    { receive: () => {}, end: (end) => ends.push(end.reason) },
  );
  while (!ends.length && asked.length <= answers) await new Promise(setImmediate);
  close();
  return { asked, reasons, ends };
}

test("a token is kept until it nears its end", async () => {
  const [long, short, next] = [jwt("long", 300), jwt("short", 20), jwt("next", 300)];
  const kept = await polled([200, 200, 200], { token: long, fresh: () => next });
  assert.deepEqual([kept.asked, kept.reasons], [Array(4).fill(long), []]);
  const renewed = await polled([200, 200, 200], { token: short, fresh: () => next });
  assert.deepEqual([renewed.asked, renewed.reasons], [[short, next, next, next], ["poll"]]);
});

test("a token that is refused is replaced once, and a second refusal is `unauthorized`", async () => {
  const once = await polled([200, 401, 200], { token: "a", fresh: () => "b" });
  assert.deepEqual([once.asked, once.reasons, once.ends], [["a", "a", "b", "b"], ["unauthorized"], []]);
  const twice = await polled([200, 401, 401], { token: "a", fresh: () => "b" });
  assert.deepEqual(twice.ends, ["unauthorized"]);
  assert.deepEqual((await polled([401], { token: "a", fresh: () => "b" })).ends, ["unauthorized"]);
});

test("a token that cannot be had ends it with that reason, not as if the network had failed", async () => {
  const { ends } = await polled([200, 401], {
    token: "a",
    fresh: () => Promise.reject(new NotificationError("token", "", { cause: new Error("signed out") })),
  });
  assert.deepEqual(ends, ["token"]);
});
