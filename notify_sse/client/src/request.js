// Where the service's routes are, and how a request proves who asks.

/** @import { End, StreamRequest } from "./types.js" */

/** @type {Record<number, string>} */
const REASONS = { 401: "unauthorized", 403: "forbidden" };

/**
 * The URL of `path` below `base`, a complete address, with those of `params` that are set.
 *
 * @param {string} base
 * @param {string} path
 * @param {object} params
 */
export function buildUrl(base, path, params) {
  const url = new URL(`${base}/${path}`);
  for (const [name, value] of Object.entries(params)) {
    if ((value ?? "") !== "") url.searchParams.set(name, value);
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
 * A signal that ends a request in time. React Native has no `AbortSignal.timeout`.
 *
 * @param {number} ms
 */
export function timeLimit(ms) {
  if (AbortSignal.timeout) return AbortSignal.timeout(ms);
  const limit = new AbortController();
  setTimeout(() => limit.abort(new Error("There was no answer in time")), ms);
  return limit.signal;
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
 * The end of a stream that could not be opened: its token could not be had, there are too many of them, or else the network failed.
 *
 * @param {any} error
 * @returns {End}
 */
export function endFor({ code, cause }) {
  return ["token", "crowded"].includes(code) ? { reason: code, cause } : { reason: "network" };
}
