// The event stream format (WHATWG HTML, 9.2.6), for streams that are read with fetch. Bytes in, events out. Pure.

/** Calls `emit({event, id, data})` for each event of the bytes that `feed` is given, however they are cut. */
export function sseParser(emit) {
  const decoder = new TextDecoder(); // takes the byte order mark away, and carries split characters over
  const state = { retryMs: 0, feed };
  let rest = "";
  let afterCr = false;
  let block = { id: "" };

  function feed(bytes) {
    let text = decoder.decode(bytes, { stream: true });
    if (!text) return;
    if (afterCr && text[0] === "\n") text = text.slice(1); // a CRLF that was cut in two ends one line, not two
    afterCr = text.endsWith("\r");
    const lines = (rest + text).split(/\r\n|\n|\r/);
    rest = lines.pop();
    lines.forEach(take);
  }

  function take(line) {
    if (!line) return dispatch();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") block.data = block.data === undefined ? value : `${block.data}\n${value}`;
    else if (name === "event") block.event = value;
    else if (name === "id" && !value.includes("\0")) block.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) state.retryMs = +value;
  }

  function dispatch() {
    const { event, id, data } = block;
    block = { id }; // the id stays until another is given
    if (data !== undefined) emit({ event: event || "message", id, data });
  }

  return state;
}
