// The name of the worker, or of the lock and the channel, by which tabs share.
import { VERSION } from "./messages.js";

/** @import { SourceOptions } from "../types.js" */

/**
 * Tabs of the same name share.
 *
 * @param {SourceOptions} options
 */
export function nameFor({ url, user, recipient, topics = [], transport, tokenIn }) {
  return `notify-sse:${JSON.stringify([VERSION, url, user, recipient, [...topics].sort(), transport, tokenIn])}`;
}
