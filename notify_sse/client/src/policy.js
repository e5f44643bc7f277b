// The state machine of a connection: what to do next, and how long to wait before. Pure: no clock, no timer, no I/O.

/** @import { Status } from "../notify-sse.js" */
/** @import { Down, Fact, PolicyState, Rules } from "./types.js" */

/** A stream that lived this long has proved its transport: its end is the first failure, not one more. */
export const PROVEN_MS = 5000;
/** A planned end that comes sooner than this counts as a failure: tokens that expire at once must not make a loop. */
const MIN_LIFE_MS = 1000;
/** No service can make a client wait for longer. */
const MAX_RETRY_MS = 30000;
/** Ends that the service announced, as part of normal work. */
const PLANNED = ["drain", "token_expired"];
/** Ends that trying again cannot mend. */
const FINAL = ["replaced", "forbidden", "other_user"];
/** @type {Status[]} */
const STOPPED = ["idle", "closed", "paused"];

/** @type {Record<string, string>} */
const MESSAGES = {
  unauthorized: "You are signed out. Sign in again.",
  forbidden: "You may not receive these notifications.",
  token: "Cannot sign in to notifications. Refresh the page.",
  replaced: "Notifications are open in too many places.",
  other_user: "Somebody else has signed in. Refresh the page.",
};
const UNREACHABLE = "Cannot reach notifications. Refresh the page or check your network.";

/** @type {Readonly<PolicyState>} */
export const INITIAL = { status: "idle", attempt: 0, level: 0, faults: 0, refusals: 0, delayMs: null, reason: null };

/** @type {Readonly<Rules>} */
export const RULES = {
  maxAttempts: 10,
  baseMs: 1000,
  maxMs: 8000,
  fallbackAfter: 3,
  failedRetryMs: 60000,
  levels: 1,
  random: Math.random,
};

/**
 * The longest wait before try `attempt` (from 1): 1, 2, 4, 8, 8 … s.
 *
 * @param {number} attempt
 * @param {Rules} rules
 */
export function ceilingMs(attempt, { baseMs, maxMs }) {
  return Math.min(maxMs, baseMs * 2 ** (attempt - 1));
}

/**
 * Exponential back-off with full jitter: anything up to the ceiling, so that a crowd of clients spreads out.
 *
 * @param {number} attempt
 * @param {Rules} rules
 */
export function backoffMs(attempt, rules) {
  return rules.random() * ceilingMs(attempt, rules);
}

/**
 * Whether it is neither connected nor tries to be.
 *
 * @param {PolicyState} state
 */
export function isStopped({ status }) {
  return STOPPED.includes(status);
}

/**
 * What a page may show to its user.
 *
 * @param {Pick<PolicyState, "status" | "reason">} state
 */
export function messageFor({ status, reason }) {
  if (status !== "failed") return "";
  return MESSAGES[reason ?? ""] ?? UNREACHABLE;
}

/**
 * The state after `fact`.
 *
 * @param {PolicyState} state
 * @param {Fact} fact
 * @param {Rules} rules
 * @returns {PolicyState}
 */
export function next(state, fact, rules) {
  switch (fact.kind) {
    case "try":
      return { ...state, status: statusWhileTrying(state), delayMs: null, reason: fact.reason ?? state.reason };
    case "up":
      return { ...state, status: "connected", level: fact.level, refusals: 0, delayMs: null, reason: null };
    case "down":
      return fact.online ? afterEnd(state, fact, rules) : whileOffline(state, rules);
    case "refused": // the token of a swap was refused; the stream that is open lives on
      return { ...state, refusals: state.refusals + 1 };
    case "crowded": // the next transport needs no connection of the six
      return { ...state, level: 1 };
    case "offline":
      return whileOffline(state, rules);
    case "retry":
      return { ...INITIAL, level: state.level, reason: "retry" };
    case "stop":
      return { ...INITIAL, level: state.level, status: fact.status };
  }
}

/**
 * A try in the background does not take back what the page was told: that there is no network, or that it failed.
 *
 * @param {PolicyState} state
 */
function statusWhileTrying({ status, reason }) {
  if (status === "offline" || status === "failed") return status;
  return reason || status === "connected" ? "reconnecting" : "connecting";
}

/**
 * @param {PolicyState} state
 * @param {Rules} rules
 * @returns {PolicyState}
 */
function whileOffline(state, rules) {
  return { ...state, status: "offline", reason: "offline", delayMs: rules.maxMs };
}

/**
 * @param {PolicyState} state
 * @param {Down} down
 * @param {Rules} rules
 * @returns {PolicyState}
 */
function afterEnd(state, { end, livedMs, atFault }, rules) {
  const reason = end.reason === "revoked" ? "unauthorized" : end.reason;
  const retryMs = Math.min(end.retryMs || 0, MAX_RETRY_MS);
  if (PLANNED.includes(reason) && livedMs > MIN_LIFE_MS) {
    const delayMs = retryMs || spreadMs(reason, rules);
    return { ...state, status: "reconnecting", attempt: 0, delayMs, reason };
  }
  if (FINAL.includes(reason)) return { ...state, status: "failed", reason, delayMs: null };

  const isProven = livedMs >= PROVEN_MS;
  const attempt = (isProven ? 0 : state.attempt) + 1;
  const refusals = reason === "unauthorized" ? state.refusals + 1 : 0;
  // A second token was refused: another one would be refused too.
  if (refusals > 1) return { ...state, status: "failed", attempt, refusals, reason, delayMs: null };

  const faults = (isProven ? 0 : state.faults) + (atFault ? 1 : 0);
  const tried = { ...state, ...levelAfter(state.level, faults, rules), attempt, reason };
  if (attempt >= rules.maxAttempts || state.status === "failed") {
    return { ...tried, status: "failed", delayMs: failedRetryMs(rules) };
  }
  return { ...tried, status: "reconnecting", refusals, delayMs: Math.max(retryMs, backoffMs(attempt, rules)) };
}

/**
 * A service that drains ends all its streams at once: their clients come back spread over a while.
 *
 * @param {string} reason
 * @param {Rules} rules
 */
function spreadMs(reason, rules) {
  return reason === "drain" ? backoffMs(1, rules) : 0;
}

/**
 * @param {Rules} rules
 * @returns {number | null}
 */
function failedRetryMs({ failedRetryMs: ms, random }) {
  return ms ? ms * (0.5 + random()) : null;
}

/**
 * After `fallbackAfter` faults of the transport the next one is used, and after the last one the first one again.
 *
 * @param {number} level
 * @param {number} faults
 * @param {Rules} rules
 */
function levelAfter(level, faults, { fallbackAfter, levels }) {
  return faults < fallbackAfter ? { level, faults } : { level: (level + 1) % levels, faults: 0 };
}
