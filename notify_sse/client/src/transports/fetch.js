// The event stream read with fetch: the token travels in a header, and the status of a refusal is known.
import { readAnswer } from "../answers.js";
import { buildUrl, fetchOptions, refusal, streamParams } from "../request.js";
import { sseParser } from "../sse-parser.js";

/** @import { SseEvent } from "../sse-parser.js" */
/** @import { StreamEnd, StreamRequest } from "../types.js" */

/** @param {SseEvent} event */
export function decode({ event, id, data }) {
  return { event, id, data: JSON.parse(data) };
}

/**
 * @param {StreamRequest} request
 * @param {StreamEnd} stream
 */
export function open(request, stream) {
  const abort = new AbortController();
  read(request, stream, abort.signal).catch(() => stream.end({ reason: "network" }));
  return () => abort.abort();
}

/**
 * @param {StreamRequest} request
 * @param {StreamEnd} stream
 * @param {AbortSignal} signal
 */
async function read(request, stream, signal) {
  const options = fetchOptions(request);
  const headers = { ...options.headers, accept: "text/event-stream" };
  const answer = await fetch(buildUrl(request.base, "stream", streamParams(request)), { ...options, headers, signal });
  if (answer.status === 204) {
    stream.end({ reason: "not_enabled" });
    return;
  }
  if (answer.status !== 200) {
    stream.end({ ...(await readAnswer(answer)), ...refusal(answer.status, retryAfterMs(answer)) });
    return;
  }
  if (!answer.body) {
    stream.end({ reason: "no_body", detail: "fetch gives no body to read as a stream here, as in React Native" });
    return;
  }
  stream.accepted = true;
  const parser = sseParser((event) => stream.receive(event));
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parser.feed(value);
  }
  stream.end({ reason: "network", retryMs: parser.retryMs });
}

/** @param {Response} answer */
function retryAfterMs(answer) {
  return Number(answer.headers.get("retry-after")) * 1000 || 0;
}
