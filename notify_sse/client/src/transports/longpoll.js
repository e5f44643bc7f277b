// Long polling of the history: for networks that let nothing else through. Each poll is a request of its own.
import { readAnswer } from "../answers.js";
import { framesOf } from "../history.js";
import { pause } from "../pace.js";
import { buildUrl, endFor, fetchOptions, refusal } from "../request.js";
import { askPollAfterS } from "../rollout.js";

/** @import { HistoryPage, HistoryQuery } from "../../notify-sse.js" */
/** @import { DecodedEvent, StreamEnd, StreamRequest } from "../types.js" */

const WAIT_S = 25;
/** A token that ends before the next answer may come is renewed. */
const RENEW_MS = WAIT_S * 1000 + 5000;
/** An empty answer that came sooner than this is followed by a pause: a service that does not wait is not hammered. */
const SOON_MS = 1000;
const MAX_ITEMS = 500;

/** @param {DecodedEvent} event */
export function decode(event) {
  return event;
}

/**
 * @param {StreamRequest} request
 * @param {StreamEnd} stream
 */
export function open(request, stream) {
  const abort = new AbortController();
  poll(request, stream, abort.signal).catch((error) => stream.end(endFor(error)));
  return () => abort.abort();
}

/**
 * @param {StreamRequest} request
 * @param {StreamEnd} stream
 * @param {AbortSignal} signal
 */
async function poll(request, stream, signal) {
  const fetchPage = pageFetcher(request, signal);
  let { cursor } = request;
  /** @type {string | undefined} */
  let recipient;
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    const sentMs = Date.now();
    const answer = await fetchPage.ask(queryFrom(cursor, isFirst || Boolean(request.pollAfterS)));
    if (answer.status !== 200) {
      stream.end({ ...(await readAnswer(answer)), ...refusal(answer.status) });
      return;
    }
    /** @type {HistoryPage} */
    const page = await answer.json();
    if (isFirst) {
      recipient = page.recipient_id;
      stream.receive(connectedBy(page, cursor, Math.max(WAIT_S, request.pollAfterS ?? 0)));
    } else if (page.recipient_id !== recipient) {
      stream.end({ reason: "other_user" }); // the cookie is another user's now
      return;
    }
    if (cursor) handOver(page, stream);
    cursor = page.cursor;
    await restAfter(request, page, { isFirst, sentMs });
    if (request.pollAfterS && !(await askPollAfterS({ ...request, token: fetchPage.token() }))) {
      stream.end({ reason: "enabled" });
    }
  }
}

/**
 * Where streams are not enabled yet, the service says how often to ask. An empty answer that came too soon is no reason to hurry.
 *
 * @param {StreamRequest} request
 * @param {HistoryPage} page
 * @param {{ isFirst: boolean, sentMs: number }} asked
 */
async function restAfter({ pollAfterS }, { items, events, more }, { isFirst, sentMs }) {
  if (pollAfterS && !more) await pause(pollAfterS * 1000);
  const isSoon = !isFirst && !items.length && !events?.length && Date.now() - sentMs < SOON_MS;
  if (!pollAfterS && isSoon) await pause(SOON_MS);
}

/**
 * Asks for pages with the token that there is, until that nears its end or is refused. A new one is tried once.
 *
 * @param {StreamRequest} request
 * @param {AbortSignal} signal
 */
function pageFetcher(request, signal) {
  const { base, topics, withCredentials, freshToken } = request;
  let { token } = request;
  let isFirst = true;

  /** @param {object} query */
  async function fetchPage(query) {
    const url = buildUrl(base, "history", { topics: topics?.join(), ...query });
    const ask = () => fetch(url, { ...fetchOptions({ token, withCredentials }), signal });
    if (isFirst) {
      isFirst = false;
      return ask(); // its token is new: one that is refused ends this stream
    }
    if (endMs(token) - Date.now() < RENEW_MS) token = await freshToken("poll");
    const answer = await ask();
    if (answer.status !== 401) return answer;
    token = await freshToken("unauthorized");
    return ask();
  }

  return { ask: fetchPage, token: () => token };
}

/**
 * When a JWT ends, in Unix time. A token of another kind is used until it is refused.
 *
 * @param {string | null | undefined} token
 */
function endMs(token) {
  if (!token) return Number.POSITIVE_INFINITY;
  try {
    const claims = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(atob(claims)).exp * 1000;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/**
 * The first answer is wanted at once: it shows that this works, and, with no cursor, where the log ends now.
 *
 * @param {string | null} cursor
 * @param {boolean} isFirst
 * @returns {HistoryQuery & { wait?: number }}
 */
function queryFrom(cursor, isFirst) {
  if (!cursor) return { order: "desc", limit: 1 };
  if (isFirst) return { after: cursor, limit: MAX_ITEMS };
  return { after: cursor, limit: MAX_ITEMS, wait: WAIT_S };
}

/**
 * @param {HistoryPage} page the first one
 * @param {string | null} cursor
 * @param {number} heartbeatS how long an answer may take
 * @returns {DecodedEvent}
 */
function connectedBy(page, cursor, heartbeatS) {
  const id = page.reset ? null : (cursor ?? page.cursor);
  return { event: "connected", id, data: { heartbeat_s: heartbeatS, recipient_id: page.recipient_id } };
}

/**
 * @param {HistoryPage} page
 * @param {StreamEnd} stream
 */
function handOver(page, stream) {
  const { reset, cursor } = page;
  if (reset) stream.receive({ event: "reset", id: reset.to, data: reset });
  for (const frame of framesOf(page)) stream.receive(frame);
  stream.receive({ event: "heartbeat", id: cursor, data: {} });
}
