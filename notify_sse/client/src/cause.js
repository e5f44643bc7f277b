// Why a stream ended: is the network to blame, the service, or the transport? Only the transport's own faults lead to a fallback.
// It is fetched when the first stream ends, or beforehand once one is up.
import { readAnswer } from "./answers.js";
import { buildUrl, fetchOptions, refusal, timeLimit } from "./request.js";
import { askPollAfterS } from "./rollout.js";

/** @import { Stream } from "./stream.js" */
/** @import { Cause, End, StreamRequest } from "./types.js" */

const PROBE_TIMEOUT_MS = 5000;
/** Ends of which the console is told: a developer has something to mend. */
const TOLD = ["unauthorized", "forbidden", "token"];

/** Ends of a transport that will never work here. */
const HOPELESS = ["no_body", "no_ticket"];

/**
 * What the console was told. Each sentence is told once.
 *
 * @type {Set<string>}
 */
const told = new Set();

/**
 * Whether the transport is at fault: only when the service answers, and this transport does not work all the same; and what
 * there is to say of it, in the service's own words.
 *
 * @param {Pick<Stream, "isUp" | "accepted" | "request">} stream
 * @param {End} end
 * @param {boolean} isSuspect
 * @returns {Promise<Cause>}
 */
export async function findCause(stream, end, isSuspect) {
  const judged = await judge(stream, end, isSuspect);
  const found = { ...judged, detail: judged.detail ?? end.detail ?? describe(end) };
  if ((TOLD.includes(found.reason ?? end.reason) || found.code) && !isAway(end.cause)) tellOnce(found.detail);
  return found;
}

/**
 * @param {Pick<Stream, "isUp" | "accepted" | "request">} stream
 * @param {End} end
 * @param {boolean} isSuspect
 * @returns {Promise<Cause>}
 */
async function judge({ isUp, accepted, request }, { reason, status }, isSuspect) {
  if (!request) return { atFault: false };
  if (HOPELESS.includes(reason)) return { atFault: true, isHopeless: true };
  if (reason === "not_enabled") return (await wantsPolling(request)) ?? { atFault: false };
  if (isUp) return { atFault: isSuspect && (await probe(request)).status === 200 };
  if (status || (accepted && reason !== "timeout")) return { atFault: false };
  const answer = await probe(request);
  if (!answer.status) return { atFault: false, isUnreached: true };
  if (answer.status !== 200) return { ...answer, atFault: false, ...refusal(answer.status) };
  if (answer.code) return { ...answer, atFault: false, reason: "refused" };
  // An EventSource does not tell the status of a refusal.
  const found = reason === "refused" ? await wantsPolling(request) : null;
  return { ...answer, atFault: true, ...found, status: undefined };
}

/**
 * What is to be done when the service wants this user to poll; null when it does not, or does not say.
 *
 * @param {StreamRequest} request
 * @returns {Promise<Cause | null>}
 */
async function wantsPolling(request) {
  const pollAfterS = await askPollAfterS(request).catch(() => 0);
  return pollAfterS ? { atFault: false, reason: "not_enabled", pollAfterS } : null;
}

/**
 * Asks the service for very little, to learn why a connection failed. The token goes as it went with the stream: one that is
 * refused in a URL may be good in a header. Status 0: there was no answer.
 *
 * @param {StreamRequest} request
 * @returns {Promise<Omit<Cause, "atFault">>}
 */
async function probe({ base, token, withCredentials, isTokenInQuery }) {
  try {
    const url = buildUrl(base, "history", { limit: 1, order: "desc", access_token: isTokenInQuery ? token : null });
    const options = fetchOptions({ token: isTokenInQuery ? null : token, withCredentials });
    const answer = await fetch(url, { ...options, signal: timeLimit(PROBE_TIMEOUT_MS) });
    return { status: answer.status, ...(await readAnswer(answer)) };
  } catch {
    return { status: 0 };
  }
}

/**
 * A sentence on what `getToken` threw, or gave in place of a token. Never with what it gave: that may be a secret.
 *
 * @param {{ reason: string, cause?: any }} end
 */
function describe({ reason, cause }) {
  if (reason !== "token") return undefined;
  if (!cause) return "getToken() gave no token: a page (a sign-in page?), or an object where a string belongs";
  const text = String(cause.message ?? cause);
  if (/Unexpected token '?</.test(text))
    return `getToken() failed: it was given a page (a sign-in page?), not JSON. ${text}`;
  return `getToken() failed: ${text}`;
}

/**
 * Whether `getToken` just found no network, in the words of the browsers: that is nothing to mend.
 *
 * @param {any} cause
 */
function isAway(cause) {
  return cause?.name === "TypeError" && /fetch|network|load failed/i.test(cause.message);
}

/** @param {string | null | undefined} detail */
function tellOnce(detail) {
  if (!detail || told.has(detail)) return;
  told.add(detail);
  console.error(`notify-sse: ${detail}`);
}
