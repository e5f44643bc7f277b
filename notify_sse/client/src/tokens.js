// The tokens that a page brings.
import { TokenError } from "./errors.js";

/** @import { ManagerOptions, TokenReason } from "../notify-sse.js" */

/**
 * A function that asks the page for a token. Without `getToken` there is none, and the session cookie says who asks.
 *
 * @param {ManagerOptions["getToken"]} getToken
 */
export function tokenSource(getToken) {
  return async (/** @type {TokenReason} */ reason) => {
    try {
      return await getToken?.({ reason });
    } catch (error) {
      throw new TokenError(error);
    }
  };
}
