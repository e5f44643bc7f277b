// What the end of a stream tells by itself, before anybody is asked.
import { PROVEN_MS } from "./steps.js";

/** @import { Stream } from "./stream.js" */
/** @import { End } from "./types.js" */

/**
 * Whether the transport itself may be to blame.
 *
 * @param {string} reason
 */
export function isFault(reason) {
  return ["network", "stalled", "garbled", "no_body"].includes(reason);
}

/**
 * How long a stream worked. Silence is no life: a transport that connects and then says nothing has proved nothing.
 *
 * @param {Stream} stream
 * @param {End} end
 */
export function livedMsUntil({ livedMs, silentMs }, { reason }) {
  return livedMs - (reason === "stalled" ? silentMs : 0);
}

/**
 * Whether the transport may be at fault for the end of a stream that worked for so long.
 *
 * @param {number} livedMs
 * @param {End} end
 */
export function isSuspectAfter(livedMs, { reason }) {
  return livedMs < PROVEN_MS && isFault(reason);
}
