import assert from "node:assert/strict";
import { test } from "node:test";
import { isAfter } from "../../notify_sse/client/src/cursor.js";

test("ids are compared as numbers", () => {
  assert.equal(isAfter("e.10", "e.9"), true);
  assert.equal(isAfter("e.9", "e.10"), false);
  assert.equal(isAfter("e.9", "e.9"), false);
});

test("anything is after nothing", () => {
  assert.equal(isAfter("e.1", null), true);
});

test("another epoch is never after: only a reset leads there", () => {
  assert.equal(isAfter("f.10", "e.9"), false);
});
