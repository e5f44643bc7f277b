// Long polling of the history: for networks that let nothing else through. Each poll is a request of its own.
import { address, proof, refusal } from "../request.js";

const WAIT_S = 25;
/** A token that ends before the next answer may come is renewed. */
const RENEW_MS = WAIT_S * 1000 + 5000;
/** An empty answer that came sooner than this is followed by a pause: a service that does not wait is not hammered. */
const SOON_MS = 1000;

export const decode = (frame) => frame;

export function open(request, line) {
  const abort = new AbortController();
  poll(request, line, abort.signal).catch(({ reason = "network" }) => line.end({ reason }));
  return () => abort.abort();
}

async function poll(request, line, signal) {
  const ask = asker(request, signal);
  let { cursor } = request;
  for (let first = true; !signal.aborted; first = false) {
    const sentMs = Date.now();
    const answer = await ask(what(cursor, first));
    if (answer.status !== 200) return line.end(refusal(answer.status));
    const page = await answer.json();
    if (first) line.take(frame("connected", page.reset ? null : (cursor ?? page.cursor), { heartbeat_s: WAIT_S }));
    if (cursor) tell(page, line);
    cursor = page.cursor;
    if (!first && !page.items.length && Date.now() - sentMs < SOON_MS) await pause(SOON_MS);
  }
}

/** Asks for a page with the token that there is, until that nears its end or is refused; a new one is tried once. */
function asker({ freshToken, ...request }, signal) {
  let { token } = request;
  let polls = 0;
  return async (query) => {
    const url = address(request.base, "history", { topics: request.topics?.join(), ...query });
    const ask = () => fetch(url, { ...proof({ ...request, token }), signal });
    const isFirst = !polls++; // its token is new: one that is refused ends this line
    if (!isFirst && endMs(token) - Date.now() < RENEW_MS) token = await freshToken("poll");
    const answer = await ask();
    if (isFirst || answer.status !== 401) return answer;
    token = await freshToken("unauthorized");
    return ask();
  };
}

/** When a JWT ends, in Unix time; a token of another kind is used until it is refused. */
function endMs(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).exp * 1000;
  } catch {
    return Infinity;
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
