// The messages between tabs: the table says all there is, and a message survives its way.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as messages from "../../notify_sse/client/src/tabs/messages.js";
import { SharedConnection } from "../../notify_sse/client/src/tabs/share.js";

const FILE = new URL("../../notify_sse/client/src/tabs/messages.js", import.meta.url);
const STATE = { status: "connected" };
const FRAME = { event: "message", id: "e.2", prev: "e.1", data: {} };
const { hello, ping, wake, offline, retry, token, noToken, bye } = messages;
const { welcome, pong, stateChanged, frames, needToken } = messages;

const joining = { cursor: "e.1", options: { url: "http://x/n" }, hasToken: true };
const FROM_TAB = [
  hello(),
  hello(joining),
  ping(),
  wake(true),
  offline(),
  retry(),
  token(1, "t"),
  token(1, null),
  noToken(1),
  bye(),
];
const FROM_HOST = [welcome(STATE, "e.1"), pong(), stateChanged(STATE), frames([FRAME]), needToken(1, "retry")];

/** The rows of the table at the top of messages.js. */
function rows() {
  const lines = readFileSync(FILE, "utf8").matchAll(/^\/\/ \| (\w+) \| (\w+) \| [^|]+ \| ([^|]*)\|/gm);
  const all = [...lines].map(([, name, from, fields]) => ({ name, from, fields: fields.match(/\w+/g) ?? [] }));
  return new Map(all.slice(1).map((row) => [row.name, row]));
}

test("every message is in the table, with who sends it and its fields, and the table has no other", () => {
  const table = rows();
  const made = [...FROM_TAB, ...FROM_HOST];
  assert.deepEqual([...table.keys()].sort(), [...new Set(made.map(({ type }) => type))].sort());
  for (const { type, ...fields } of made) {
    for (const [field, value] of Object.entries(fields)) {
      if (value !== undefined) assert.ok(table.get(type).fields.includes(field), `${type}: ${field}`);
    }
    assert.equal(table.get(type).from === "tab", FROM_TAB.map((one) => one.type).includes(type), type);
  }
});

test("the host knows which messages are for it, and a message arrives as it was sent", () => {
  for (const message of FROM_TAB) assert.equal(messages.isFromTab(structuredClone(message)), true, message.type);
  for (const message of FROM_HOST) assert.equal(messages.isFromTab(structuredClone(message)), false, message.type);
  for (const message of [...FROM_TAB, ...FROM_HOST]) assert.deepEqual(structuredClone(message), message);
});

test("tabs with other versions of the messages, or of other recipients, do not meet", async (t) => {
  const names = [];
  globalThis.fetch = async () => ({ ok: true, json: async () => ({ items: [], cursor: "e.1", recipient_id: "a17" }) });
  globalThis.SharedWorker = class {
    port = { postMessage() {}, close() {} };
    constructor(_, { name }) {
      names.push(name);
    }
  };
  t.after(() => delete globalThis.SharedWorker);
  const sink = { state() {}, frame() {}, reset() {} };
  const shared = new SharedConnection({ url: "http://x/n", user: "alice", share: "worker" }, sink);
  shared.start(null);
  while (!names.length) await new Promise(setImmediate);
  shared.stop();
  assert.equal(names[0], `notify-sse:[${messages.VERSION},"http://x/n","alice","a17",[],null,null]`);
});
