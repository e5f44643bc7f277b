// The event stream format (WHATWG HTML, 9.2.6), for streams that are read with fetch. Bytes in, events out. Pure.

/**
 * @typedef {object} SseEvent
 * @property {string} event
 * @property {string} id
 * @property {string} data
 */

/**
 * Calls `emit` for each event in the bytes that `feed` is given, wherever they are cut.
 *
 * @param {(event: SseEvent) => void} emit
 */
export function sseParser(emit) {
  const decoder = new TextDecoder(); // removes the byte order mark, and joins characters that were cut in two
  const parser = { retryMs: 0, feed };
  let rest = "";
  let afterCr = false;
  /** @type {{ id: string, event?: string, data?: string }} */
  let block = { id: "" };

  /** @param {Uint8Array} bytes */
  function feed(bytes) {
    let text = decoder.decode(bytes, { stream: true });
    if (!text) return;
    if (afterCr && text[0] === "\n") text = text.slice(1); // a CRLF that was cut in two ends one line, not two
    afterCr = text.endsWith("\r");
    const lines = (rest + text).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? "";
    for (const line of lines) readLine(line);
  }

  /** @param {string} line */
  function readLine(line) {
    if (!line) {
      dispatch();
      return;
    }
    const colon = line.indexOf(":");
    if (colon < 0) setField(line, "");
    else setField(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ""));
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  function setField(name, value) {
    if (name === "data") block.data = block.data === undefined ? value : `${block.data}\n${value}`;
    else if (name === "event") block.event = value;
    else if (name === "id" && !value.includes("\0")) block.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) parser.retryMs = Number(value);
  }

  function dispatch() {
    const { event, id, data } = block;
    block = { id }; // the id stays until another one is given
    if (data !== undefined) emit({ event: event || "message", id, data });
  }

  return parser;
}
