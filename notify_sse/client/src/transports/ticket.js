// Native EventSource with a ticket in its URL in place of the token: for those who allow no token in a URL. A ticket is good once, so
// each stream asks for one.
import { readAnswer } from "../answers.js";
import { buildUrl, endFor, fetchOptions, refusal } from "../request.js";
import { openWith } from "./eventsource.js";

/** @import { StreamEnd, StreamRequest } from "../types.js" */

export { decode } from "./eventsource.js";

/** What a service says that has no tickets. */
const UNKNOWN = [404, 405];

/**
 * @param {StreamRequest} request
 * @param {StreamEnd} stream
 */
export function open(request, stream) {
  if (!request.token) return openWith({}, request, stream); // the cookie says who asks
  const abort = new AbortController();
  let close = () => abort.abort();
  askForTicket(request, stream, abort.signal)
    .then((ticket) => {
      if (ticket && !abort.signal.aborted) close = openWith({ ticket }, request, stream);
    })
    .catch((error) => stream.end(endFor(error)));
  return () => close();
}

/**
 * A ticket for one stream. When there is none, the stream is ended with the reason.
 *
 * @param {StreamRequest} request
 * @param {StreamEnd} stream
 * @param {AbortSignal} signal
 * @returns {Promise<string | undefined>}
 */
async function askForTicket(request, stream, signal) {
  const answer = await fetch(buildUrl(request.base, "ticket", {}), {
    ...fetchOptions(request),
    method: "POST",
    signal,
  });
  if (answer.ok) {
    const { ticket } = await answer.json();
    return ticket;
  }
  if (UNKNOWN.includes(answer.status)) stream.end({ reason: "no_ticket", detail: "the service gives no tickets" });
  else stream.end({ ...(await readAnswer(answer)), ...refusal(answer.status, retryAfterMs(answer)) });
  return undefined;
}

/** @param {Response} answer */
function retryAfterMs(answer) {
  return Number(answer.headers.get("retry-after")) * 1000 || 0;
}
