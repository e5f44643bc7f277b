// Reads pages of stored notifications.
import { readAnswer } from "./answers.js";
import { splitCursor } from "./cursor.js";
import { HistoryError, OtherUserError } from "./errors.js";
import { buildUrl, fetchOptions, timeLimit } from "./request.js";

/** @import { HistoryPage, HistoryQuery, NotificationConnectionManager } from "../notify-sse.js" */
/** @import { SourceOptions } from "./types.js" */

const TIMEOUT_MS = 15000;

/**
 * Reads one page for `manager`, whose user had signed out `signOuts` times when it was asked for. A page that was asked for before
 * a sign-out is not for who is here now.
 *
 * @param {Pick<NotificationConnectionManager<any>, "options" | "recipient" | "signOuts">} manager
 * @param {number} signOuts
 * @param {HistoryQuery} [query]
 * @returns {Promise<HistoryPage>}
 */
export async function readOwnHistory(manager, signOuts, { signal, ...query } = {}) {
  return own(await readHistory({ ...manager.options, recipient: manager.recipient }, query, signal));

  /**
   * @param {HistoryPage} page
   * @returns {HistoryPage}
   */
  function own(page) {
    if (signOuts !== manager.signOuts) throw new OtherUserError();
    return {
      ...page,
      next: async () => {
        const further = await page.next();
        return further && own(further);
      },
    };
  }
}

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
  const limited = withTimeout(signal);
  const token = await unlessOver(limited, getToken?.({ reason: "history" }));
  /** @type {HistoryQuery & { topics?: string }} */
  const params = { order: "desc", topics: topics?.join(), ...query };
  const answer = await fetch(buildUrl(url, "history", params), {
    ...fetchOptions({ token, withCredentials }),
    signal: limited,
  });
  if (!answer.ok) throw new HistoryError(answer.status, await readAnswer(answer));
  const page = await answer.json();
  if (recipient && page.recipient_id && page.recipient_id !== recipient) throw new OtherUserError();

  async function next() {
    if (!page.more) return null;
    const place = params.order === "asc" ? { after: page.cursor } : { before: page.before ?? page.items.at(-1).cursor };
    return readHistory(options, { ...query, ...place }, signal);
  }

  return { ...page, next };
}

/**
 * A signal that ends at `signal`, or in time. A browser without `AbortSignal.any` only gets the time limit.
 *
 * @param {AbortSignal} [signal]
 */
function withTimeout(signal) {
  const timeout = timeLimit(TIMEOUT_MS);
  return signal ? (AbortSignal.any?.([signal, timeout]) ?? timeout) : timeout;
}

/**
 * What is promised, unless the time for it is over before.
 *
 * @template T
 * @param {AbortSignal} limited
 * @param {T | Promise<T>} promised
 * @returns {Promise<T>}
 */
function unlessOver(limited, promised) {
  return new Promise((resolve, reject) => {
    limited.addEventListener("abort", () => reject(limited.reason), { once: true });
    Promise.resolve(promised).then(resolve, reject);
  });
}

/**
 * What a stream would have sent in the place of a page in ascending order: its items, and what else there is between them.
 *
 * @param {Pick<HistoryPage, "items" | "events">} page
 * @returns {{ event: string, id: string, data: any }[]}
 */
export function framesOf({ items, events = [] }) {
  const frames = [
    ...items.map((item) => ({ event: "message", id: item.cursor, data: item })),
    ...events.map(({ event, cursor, data }) => ({ event, id: cursor, data })),
  ];
  return events.length ? frames.sort((a, b) => splitCursor(a.id)[1] - splitCursor(b.id)[1]) : frames;
}
