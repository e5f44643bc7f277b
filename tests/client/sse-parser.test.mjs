// The event stream format, by the WHATWG standard's own rules and examples.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sseParser } from "../../notify_sse/client/src/sse-parser.js";

function parse(text, cuts = []) {
  const events = [];
  const parser = sseParser((event) => events.push(event));
  const bytes = new TextEncoder().encode(text);
  [0, ...cuts].forEach((from, n) => parser.feed(bytes.slice(from, [...cuts, bytes.length][n])));
  return { events, retryMs: parser.retryMs };
}

const data = (text, ...cuts) => parse(text, cuts).events.map((event) => event.data);

test("an event has its name, its id and its data", () => {
  const { events } = parse("id: e.1\nevent: heartbeat\ndata: {}\n\n");
  assert.deepEqual(events, [{ event: "heartbeat", id: "e.1", data: "{}" }]);
});

test("an id stays for the events after it; a name does not", () => {
  const { events } = parse("id: e.1\nevent: x\ndata: a\n\ndata: b\n\n");
  assert.deepEqual(events[1], { event: "message", id: "e.1", data: "b" });
});

test("data lines are joined, one leading space is taken away, unknown fields are passed over", () => {
  assert.deepEqual(data("data: a\ndata:  b\ndata\nwhat: ever\n\n"), ["a\n b\n"]);
});

test("a block without data is no event", () => {
  assert.deepEqual(data("event: x\nid: e.1\n\n: comment\n\ndata: a\n\n"), ["a"]);
});

test("what is cut off at the end is no event", () => {
  assert.deepEqual(data("data: a\n\ndata: b\n"), ["a"]);
});

test("all three line ends, also mixed", () => {
  assert.deepEqual(data("data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\r"), ["a\nb\nc", "d"]);
});

test("retry is a whole number of ms, or nothing", () => {
  assert.equal(parse("retry: 1234\nretry: 1.5\nretry: x\n\n").retryMs, 1234);
});

test("an id with NUL is ignored", () => {
  assert.equal(parse("id: a\0b\ndata: x\n\n").events[0].id, "");
});

test("a byte order mark at the start is taken away", () => {
  assert.deepEqual(data("\ufeffdata: a\n\n"), ["a"]);
});

test("it does not matter where the bytes are cut: characters, line ends and fields in two", () => {
  const text = '\ufeffid: é.1\r\nevent: ü\r\ndata: {"a":"\u{1f600}"}\r\n\r\nid: e.2\rdata: b\r\rdata: c\n\n';
  const whole = parse(text).events;
  assert.equal(whole.length, 3);
  const length = new TextEncoder().encode(text).length;
  for (let a = 1; a < length; a++) {
    assert.deepEqual(parse(text, [a]).events, whole, `cut at ${a}`);
    for (let b = a + 1; b < length; b++) assert.deepEqual(parse(text, [a, b]).events, whole, `cut at ${a}, ${b}`);
  }
});
