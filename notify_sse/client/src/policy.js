// The state machine of a connection, with the ends of streams: what to do next, and how long to wait before. Pure: no clock, no
// timer, no I/O. It is fetched when the first stream ends, or beforehand once one is up; steps.js is there from the beginning.
import { backoffMs, errorFor, failedRetryMs, PROVEN_MS, step, UNREACHABLE, waitFor, whileOffline } from "./steps.js";

export { backoffMs, ceilingMs, INITIAL, isStopped, RULES } from "./steps.js";

/** @import { Down, End, Fact, PolicyState, Rules } from "./types.js" */

/** A planned end that comes sooner than this counts as a failure: tokens that expire at once must not make a loop. */
const MIN_LIFE_MS = 1000;
/** What was tried is given up for something else, at once. */
const AT_ONCE = /** @type {const} */ ({ status: "reconnecting", attempt: 0, faults: 0, delayMs: 0 });
/** Ends that the service announced, as part of normal work. */
const PLANNED = ["drain", "token_expired"];
/** Ends that trying again cannot mend. */
const FINAL = ["replaced", "forbidden", "other_user"];

/** @type {Record<string, string>} */
const MESSAGES = {
  unauthorized: "You are signed out. Sign in again.",
  forbidden: "You may not receive these notifications.",
  token: "Cannot sign in to notifications. Refresh the page.",
  replaced: "Notifications are open in too many places.",
  other_user: "Somebody else has signed in. Refresh the page.",
};

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
  if (fact.kind !== "down") return step(state, fact, rules);
  if (fact.end.reason === "enabled") return { ...state, ...AT_ONCE, level: 0, pollAfterS: 0, reason: "enabled" };
  if (fact.end.pollAfterS && rules.levels > 1) return polling(state, fact.end.pollAfterS, rules);
  return fact.online ? afterEnd(state, fact, rules) : whileOffline(state, rules);
}

/**
 * @param {PolicyState} before
 * @param {Down} down
 * @param {Rules} rules
 * @returns {PolicyState}
 */
function afterEnd(before, { end, livedMs, atFault, isHopeless, isUnreached }, rules) {
  const reason = reasonOf(end);
  const retryMs = waitFor(end.retryMs);
  if (PLANNED.includes(reason) && livedMs > MIN_LIFE_MS) {
    const delayMs = retryMs || spreadMs(reason, rules);
    return { ...before, status: "reconnecting", attempt: 0, delayMs, reason };
  }
  const state = { ...before, error: errorFor(end) };
  if (FINAL.includes(reason)) return { ...state, status: "failed", reason, delayMs: null };

  const isProven = livedMs >= PROVEN_MS;
  const blame = isHopeless ? rules.fallbackAfter : Number(atFault);
  const attempt = (isProven ? 0 : state.attempt) + 1;
  const refusals = reason === "unauthorized" ? state.refusals + 1 : 0;
  // A second token was refused: another one would be refused too.
  if (refusals > 1) return { ...state, status: "failed", attempt, refusals, reason, delayMs: null };

  const faults = (isProven ? 0 : state.faults) + blame;
  const unreached = unreachedAfter(state, isUnreached);
  const placed = levelAfter(state.level, faults, unreached, rules);
  const tried = { ...state, ...placed, unreached, attempt, reason };
  const isFailed = state.status === "failed";
  if (placed.level > state.level && !isFailed) return atOnce(tried, refusals, retryMs, rules);
  if (attempt >= rules.maxAttempts || isFailed) return { ...tried, status: "failed", delayMs: failedRetryMs(rules) };
  return { ...tried, status: "reconnecting", refusals, delayMs: Math.max(retryMs, backoffMs(attempt, rules)) };
}

/**
 * The next transport is tried at once. Where each try goes through all of them, all that fail together are one failure.
 *
 * @param {PolicyState} tried
 * @param {number} refusals
 * @param {number} delayMs
 * @param {Rules} rules
 * @returns {PolicyState}
 */
function atOnce(tried, refusals, delayMs, { fallbackAfter }) {
  const attempt = tried.attempt - Number(tried.unreached > fallbackAfter);
  return { ...tried, attempt, status: "reconnecting", refusals, delayMs };
}

/**
 * Where the best transport has worked, the service is away: the next one would not find it either.
 *
 * @param {PolicyState} state
 * @param {boolean | undefined} isUnreached
 */
function unreachedAfter({ works, unreached }, isUnreached) {
  return isUnreached && !works ? unreached + 1 : 0;
}

/**
 * Streams are not enabled for this user yet. The last transport asks for pages.
 *
 * @param {PolicyState} state
 * @param {number} pollAfterS
 * @param {Rules} rules
 * @returns {PolicyState}
 */
function polling(state, pollAfterS, { levels }) {
  return { ...state, ...AT_ONCE, level: levels - 1, pollAfterS, reason: "not_enabled" };
}

/**
 * Who was signed out by the service is refused as any other whose token is good no more.
 *
 * @param {End} end
 */
function reasonOf({ reason }) {
  return reason === "revoked" ? "unauthorized" : reason;
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
 * After `fallbackAfter` faults of the transport the next one is used, and after the last one the first one again. Where nothing
 * answers so often, not even a question of what is wrong, each try goes through all of them: what keeps a stream from getting
 * through may keep the question too.
 *
 * @param {number} level
 * @param {number} faults
 * @param {number} unreached
 * @param {Rules} rules
 */
function levelAfter(level, faults, unreached, { fallbackAfter, levels }) {
  const isNext = faults >= fallbackAfter || unreached >= fallbackAfter;
  return isNext ? { level: (level + 1) % levels, faults: 0 } : { level, faults };
}
