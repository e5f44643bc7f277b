// Native EventSource, for one stream only. After any error it is thrown away, because the browser's own reconnect sends an
// old token, knows no back-off, and gives up for ever on an answer other than 200.
//
// A module of transports/ has `open(request, stream)`, which opens a stream and returns what closes it, and `decode(raw)`
// for what it gave to `stream.receive(raw)`. It decides nothing: what to do after an end is for connection.js.
import { buildUrl, streamParams } from "../request.js";

/** @import { StreamEnd, StreamRequest } from "../types.js" */

const EVENTS = ["message", "connected", "heartbeat", "reset", "expiring", "closing", "read", "recalled"];

/** @param {MessageEvent} event */
export function decode({ type, lastEventId, data }) {
  return { event: type, id: lastEventId, data: JSON.parse(data) };
}

/**
 * @param {StreamRequest} request
 * @param {StreamEnd} stream
 */
export function open(request, stream) {
  request.isTokenInQuery = true;
  return openWith({ access_token: request.token }, request, stream);
}

/**
 * @param {object} proof what in the query says who asks
 * @param {StreamRequest} request
 * @param {StreamEnd} stream
 */
export function openWith(proof, request, stream) {
  const url = buildUrl(request.base, "stream", { ...streamParams(request), ...proof });
  const source = new EventSource(url, request);
  const onEvent = (/** @type {MessageEvent} */ event) => stream.receive(event);
  for (const type of EVENTS) source.addEventListener(type, onEvent);
  source.onopen = () => {
    stream.accepted = true;
  };
  source.onerror = () => {
    stream.end({ reason: source.readyState === EventSource.CLOSED ? "refused" : "network" });
  };
  return () => source.close();
}
