// What was marked where, in the order in which it is heard.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Marks } from "../../notify_sse/client/src/marks.js";

const items = [1, 2, 3].map((n) => ({ notification_id: `n${n}`, cursor: `e.${n}`, read: false }));
const unread = (marks) => marks.applied(items).flatMap(({ read }, at) => (read ? [] : [at + 1]));

test("the last word counts: single marks after one for all, and one for all after them", () => {
  const marks = new Marks();
  marks.add({ upto: "e.3" });
  assert.deepEqual(unread(marks), []);
  marks.add({ upto: null, ids: ["n2"], read: false });
  assert.deepEqual(unread(marks), [2]);
  marks.add({ upto: "e.3" });
  assert.deepEqual(unread(marks), [], "the same place, said again");
});

test("an earlier place takes nothing back, and one of another log begins anew", () => {
  const marks = new Marks();
  marks.add({ upto: "e.3" });
  marks.add({ upto: null, ids: ["n2"], read: false });
  marks.add({ upto: "e.1" });
  assert.deepEqual(unread(marks), [2]);
  marks.add({ upto: "f.1" });
  assert.deepEqual(unread(marks), [1, 2, 3]);
});
