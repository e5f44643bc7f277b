// The simple steps of the state machine of a connection: all but the end of a stream, which is in policy.js. Pure: no clock, no
// timer, no I/O.

/** @import { NotificationFailure, Status } from "../notify-sse.js" */
/** @import { End, Fact, PolicyState, Rules } from "./types.js" */

const CROWDED = "crowded";
/** Reasons for another transport that are no trouble. */
const QUIET = [CROWDED, "not_enabled", "enabled"];
/** @type {Status[]} */
const STOPPED = ["idle", "closed", "paused"];
/** A stream that lived this long has proved its transport: its end is the first failure, not one more. */
export const PROVEN_MS = 5000;

/** No service can make a client wait for longer. */
const MAX_RETRY_MS = 30000;

/** Said to the user when nothing better is known. */
export const UNREACHABLE = "Cannot reach notifications. Refresh the page or check your network.";

/** @type {Readonly<PolicyState>} */
export const INITIAL = {
  status: "idle",
  attempt: 0,
  level: 0,
  faults: 0,
  refusals: 0,
  unreached: 0,
  works: false,
  pollAfterS: 0,
  delayMs: null,
  reason: null,
  error: null,
};

/** @type {Readonly<Rules>} */
export const RULES = {
  maxAttempts: 10,
  baseMs: 1000,
  maxMs: 8000,
  fallbackAfter: 3,
  failedRetryMs: 60000,
  connectTimeoutMs: 10000,
  upgradeAfterMs: 60000,
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
 * The state after `fact`.
 *
 * @param {PolicyState} state
 * @param {Fact} fact
 * @param {Rules} rules
 * @returns {PolicyState}
 */
export function step(state, fact, rules) {
  switch (fact.kind) {
    case "try":
      return { ...state, status: statusWhileTrying(state), delayMs: null, reason: fact.reason ?? state.reason };
    case "up":
      return { ...INITIAL, ...kept(state), works: state.works || !fact.level, status: "connected", level: fact.level };
    case "refused": // the token of a swap was refused; the stream that is open lives on
      return { ...state, refusals: state.refusals + 1, error: errorFor(fact.end) };
    case "crowded": // the next transport needs no connection of the six
      return { ...state, level: 1, reason: CROWDED };
    case "again": // what it takes to find out more could not be fetched
      return againAfter(state, rules, fact.retryMs);
    case "offline":
      return whileOffline(state, rules);
    case "retry":
      return { ...INITIAL, level: state.level, works: state.works, reason: "retry" };
    case "stop":
      return { ...INITIAL, level: state.level, works: state.works, status: fact.status };
    default:
      return state;
  }
}

/**
 * @param {PolicyState} state
 * @param {Rules} rules
 * @param {number} [retryMs] how long the service asks to wait
 * @returns {PolicyState}
 */
function againAfter(state, rules, retryMs) {
  if (state.status === "offline") return whileOffline(state, rules);
  const tried = { ...state, reason: "network", attempt: state.attempt + 1 };
  if (tried.attempt >= rules.maxAttempts) return { ...tried, status: "failed", delayMs: failedRetryMs(rules) };
  return { ...tried, status: "reconnecting", delayMs: Math.max(waitFor(retryMs), backoffMs(tried.attempt, rules)) };
}

/**
 * How long to wait when the service asks for so much, in ms.
 *
 * @param {number} [retryMs]
 */
export function waitFor(retryMs) {
  return Math.min(retryMs || 0, MAX_RETRY_MS);
}

/**
 * @param {Rules} rules
 * @returns {number | null}
 */
export function failedRetryMs({ failedRetryMs: ms, random }) {
  return ms ? ms * (0.5 + random()) : null;
}

/**
 * A try in the background does not take back what the page was told: that there is no network, or that it failed.
 *
 * @param {PolicyState} state
 */
function statusWhileTrying({ status, reason }) {
  if (status === "offline" || status === "failed") return status;
  return (reason && !QUIET.includes(reason)) || status === "connected" ? "reconnecting" : "connecting";
}

/**
 * What a connection that is up still knows: its failures, until it has proved itself; and that the best transport has no room.
 *
 * @param {PolicyState} state
 */
function kept({ attempt, faults, reason, pollAfterS }) {
  return { attempt, faults, pollAfterS, reason: reason === CROWDED || pollAfterS ? reason : null };
}

/**
 * @param {End} end
 * @returns {NotificationFailure}
 */
export function errorFor({ reason, code, status, detail, cause }) {
  return { code: code ?? reason, status: status ?? null, detail: detail ?? null, cause: cause ?? null };
}

/**
 * @param {PolicyState} state
 * @param {Rules} rules
 * @returns {PolicyState}
 */
export function whileOffline(state, rules) {
  return { ...state, status: "offline", reason: "offline", delayMs: rules.maxMs };
}
