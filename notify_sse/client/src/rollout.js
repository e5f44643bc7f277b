// Whether streams are enabled for this user: a service may begin with some of its users, and have the others poll.
import { buildUrl, fetchOptions, timeLimit } from "./request.js";

/** @import { StreamRequest } from "./types.js" */

const TIMEOUT_MS = 5000;

/**
 * How often the history is to be asked, in s; 0 when a stream is to be opened. A service that does not say wants streams.
 *
 * @param {Pick<StreamRequest, "base" | "token" | "withCredentials">} request
 * @returns {Promise<number>}
 */
export async function askPollAfterS({ base, token, withCredentials }) {
  const signal = timeLimit(TIMEOUT_MS);
  const answer = await fetch(buildUrl(base, "transport", {}), { ...fetchOptions({ token, withCredentials }), signal });
  if (answer.status !== 200 || !/json/.test(answer.headers?.get("content-type") ?? "")) return 0;
  const { transport, poll_after_s: pollAfterS } = await answer.json();
  return transport === "poll" ? Math.max(1, Number(pollAfterS) || 1) : 0;
}
