// Why a stream ended: is the network to blame, the service, or the transport? Only the transport's own faults lead to a fallback.
import { PROVEN_MS } from "./policy.js";
import { probe, refusal } from "./request.js";

/** @import { Stream } from "./stream.js" */
/** @import { End } from "./types.js" */

/** Ends for which a transport itself may be to blame. */
const FAULTS = ["network", "stalled", "garbled"];

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
  return livedMs < PROVEN_MS && FAULTS.includes(reason);
}

/**
 * Whether the transport is at fault: only when the service answers, and this transport does not work all the same.
 *
 * @param {Stream} stream
 * @param {End} end
 * @param {boolean} isSuspect
 * @returns {Promise<{ atFault: boolean } & Partial<End>>}
 */
export async function findCause({ isUp, accepted, request }, { reason, status }, isSuspect) {
  if (!request) return { atFault: false };
  if (isUp) return { atFault: isSuspect && (await probe(request)) === 200 };
  if (status || (accepted && reason !== "timeout")) return { atFault: false };
  const answer = await probe(request);
  if (answer === 200) return { atFault: true };
  return { atFault: false, ...(answer ? refusal(answer) : {}) };
}
