// The tokens that a page brings, and what is asked with them.
import { NotificationError } from "./errors.js";

/** @import { ManagerOptions, TokenReason } from "../notify-sse.js" */
/** @import { SourceOptions, StreamRequest } from "./types.js" */

/**
 * What a stream is opened with. The cursor is that of the moment in which the token is there.
 *
 * @param {SourceOptions} options
 * @param {TokenReason} reason
 * @param {() => string | null} cursorNow
 * @returns {Promise<StreamRequest>}
 */
export async function prepareRequest({ url, topics, withCredentials, getToken }, reason, cursorNow) {
  const freshToken = tokenSource(getToken);
  const token = await freshToken(reason);
  return { base: url, topics, withCredentials, token, cursor: cursorNow(), freshToken };
}

/**
 * A function that asks the page for a token. Without `getToken` there is none, and the session cookie says who asks.
 *
 * @param {ManagerOptions["getToken"]} getToken
 */
function tokenSource(getToken) {
  return async (/** @type {TokenReason} */ reason) => {
    let token;
    try {
      token = await getToken?.({ reason });
    } catch (cause) {
      throw new NotificationError("token", "", { cause });
    }
    // Token servers whose session has ended like to answer with a sign-in page. No regular expression looks for that: any script may
    // read in `RegExp.input` what the last one was matched with, and after a sign-out a worker would keep the token there.
    if (token && encodeURI(token) !== token) throw new NotificationError("token", "");
    return token;
  };
}
