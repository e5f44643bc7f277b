// Reads pages of stored notifications.
import { HistoryError, OtherUserError } from "./errors.js";
import { buildUrl, fetchOptions } from "./request.js";

/** @import { HistoryPage, HistoryQuery } from "../notify-sse.js" */
/** @import { SourceOptions } from "./types.js" */

const TIMEOUT_MS = 15000;

/**
 * Reads one page. Its `next()` reads on in the same direction, and gives null at the end.
 *
 * @param {SourceOptions} options
 * @param {HistoryQuery} [query]
 * @param {AbortSignal} [signal]
 * @returns {Promise<HistoryPage>}
 */
export async function readHistory(options, query = {}, signal) {
  const { url, topics, withCredentials, getToken, recipient } = options;
  const token = await getToken?.({ reason: "history" });
  /** @type {HistoryQuery & { topics?: string }} */
  const params = { order: "desc", topics: topics?.join(), ...query };
  const answer = await fetch(buildUrl(url, "history", params), {
    ...fetchOptions({ token, withCredentials }),
    signal: withTimeout(signal),
  });
  if (!answer.ok) throw new HistoryError(answer.status);
  const page = await answer.json();
  if (recipient && page.recipient_id && page.recipient_id !== recipient) throw new OtherUserError();

  async function next() {
    if (!page.more) return null;
    const place = params.order === "asc" ? { after: page.cursor } : { before: page.before ?? page.items.at(-1).cursor };
    return readHistory(options, { ...query, ...place });
  }

  return { ...page, next };
}

/**
 * A signal that ends at `signal`, or in time. A browser without `AbortSignal.any` only gets the time limit.
 *
 * @param {AbortSignal} [signal]
 */
function withTimeout(signal) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  return signal ? (AbortSignal.any?.([signal, timeout]) ?? timeout) : timeout;
}
