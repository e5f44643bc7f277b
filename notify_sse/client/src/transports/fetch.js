// The event stream read with fetch: the token travels in a header, and the status of a refusal is known.
import { address, place, proof, refusal } from "../request.js";
import { sseParser } from "../sse-parser.js";

export const decode = ({ event, id, data }) => ({ event, id, data: JSON.parse(data) });

export function open(request, line) {
  const abort = new AbortController();
  read(request, line, abort.signal).catch(() => line.end({ reason: "network" }));
  return () => abort.abort();
}

async function read(request, line, signal) {
  const { headers, ...options } = proof(request);
  headers.accept = "text/event-stream";
  const answer = await fetch(address(request.base, "stream", place(request)), { ...options, headers, signal });
  if (answer.status !== 200 || !answer.body) return line.end(refusal(answer.status, retryAfterMs(answer)));
  line.opened = true;
  const parser = sseParser((event) => line.take(event));
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return line.end({ reason: "network", retryMs: parser.retryMs });
    parser.feed(value);
  }
}

const retryAfterMs = (answer) => Number(answer.headers.get("retry-after")) * 1000 || 0;
