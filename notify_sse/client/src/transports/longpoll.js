// Long polling of the history: for networks that let nothing else through. Each poll is a request of its own.
import { address, proof, refusal } from "../request.js";

const WAIT_S = 25;
/** An empty answer that came sooner than this is followed by a pause: a service that does not wait is not hammered. */
const SOON_MS = 1000;

export const decode = (frame) => frame;

export function open(request, line) {
  const abort = new AbortController();
  poll(request, line, abort.signal).catch(() => line.end({ reason: "network" }));
  return () => abort.abort();
}

async function poll(request, line, signal) {
  let { cursor, token } = request;
  for (let first = true; !signal.aborted; first = false) {
    const sentMs = Date.now();
    if (!first) token = await request.freshToken();
    const url = address(request.base, "history", { topics: request.topics?.join(), ...what(cursor, first) });
    const answer = await fetch(url, { ...proof({ ...request, token }), signal });
    if (answer.status !== 200) return line.end(refusal(answer.status));
    const page = await answer.json();
    if (first) line.take(frame("connected", page.reset ? null : cursor ?? page.cursor, { heartbeat_s: WAIT_S }));
    if (cursor) tell(page, line);
    cursor = page.cursor;
    if (!first && !page.items.length && Date.now() - sentMs < SOON_MS) await pause(SOON_MS);
  }
}

/** The first answer is wanted at once: it shows that this works, and, with no cursor, where the log ends now. */
function what(cursor, first) {
  if (!cursor) return { order: "desc", limit: 1 };
  return { after: cursor, limit: 500, wait: first ? null : WAIT_S };
}

function tell({ reset, items, cursor }, line) {
  if (reset) line.take(frame("reset", reset.to, reset));
  for (const item of items) line.take(frame("message", item.cursor, item));
  line.take(frame("heartbeat", cursor, {}));
}

const frame = (event, id, data) => ({ event, id, data });

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
