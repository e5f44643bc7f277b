// Where the service's routes are, and how a request proves who asks.

/** @import { End, StreamRequest } from "./types.js" */

const PROBE_TIMEOUT_MS = 5000;

/** @type {Record<number, string>} */
const REASONS = { 401: "unauthorized", 403: "forbidden" };

/**
 * The URL of `path` below `base`, with those of `params` that are set.
 *
 * @param {string} base
 * @param {string} path
 * @param {object} params
 */
export function buildUrl(base, path, params) {
  const url = new URL(`${base}/${path}`, globalThis.document?.baseURI ?? globalThis.location?.href);
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

/**
 * The query of a stream: from where it goes on, and what it reads.
 *
 * @param {Pick<StreamRequest, "cursor" | "topics">} request
 */
export function streamParams({ cursor, topics }) {
  return { last_event_id: cursor, topics: topics?.join() };
}

/**
 * Options of `fetch` that prove who asks: by the token in a header, or by the cookie.
 *
 * @param {{ token?: string | null, withCredentials?: boolean }} request
 * @returns {RequestInit & { headers: Record<string, string> }}
 */
export function fetchOptions({ token, withCredentials }) {
  return {
    cache: "no-store",
    credentials: withCredentials ? "include" : "same-origin",
    headers: token ? { authorization: `Bearer ${token}` } : {},
  };
}

/**
 * The end that an HTTP answer other than 200 means.
 *
 * @param {number} status
 * @param {number} [retryMs]
 * @returns {End}
 */
export function refusal(status, retryMs) {
  return { reason: REASONS[status] ?? "refused", status, retryMs };
}

/**
 * Asks the service for very little, to learn why a connection failed. Returns the status of its answer, 0 for none.
 *
 * @param {Pick<StreamRequest, "base" | "token" | "withCredentials">} request
 */
export async function probe({ base, token, withCredentials }) {
  try {
    const url = buildUrl(base, "history", { limit: 1, order: "desc" });
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    const answer = await fetch(url, { ...fetchOptions({ token, withCredentials }), signal });
    return answer.status;
  } catch {
    return 0;
  }
}

/**
 * Why a stream could not be opened: its token could not be had, there are too many of them, or else the network failed.
 *
 * @param {any} error
 */
export function reasonFor(error) {
  return ["token", "crowded"].includes(error?.code) ? error.code : "network";
}
