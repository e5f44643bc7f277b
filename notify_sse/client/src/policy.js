// The state machine of a connection: what to do next, and how long to wait before. Pure: no clock, no timer, no I/O.

/** A connection that lived this long has proved its transport: its end is the first failure, not one more. */
export const PROVEN_MS = 5000;
/** Ends that the service announced, as part of normal work. */
const PLANNED = ["drain", "token_expired"];

const MESSAGES = {
  unauthorized: "You are signed out. Sign in again.",
  forbidden: "You may not receive these notifications.",
  token: "Cannot sign in to notifications. Refresh the page.",
  replaced: "Notifications are open in too many places.",
};
const UNREACHABLE = "Cannot reach notifications. Refresh the page or check your network.";

/** `delayMs`: when to try again; null while trying, and when only a person can help. `rung`: which transport. */
export const INITIAL = { status: "idle", attempt: 0, rung: 0, slips: 0, denials: 0, delayMs: null, reason: null };

export const RULES = {
  maxAttempts: 10,
  baseMs: 1000,
  maxMs: 8000,
  fallbackAfter: 3,
  failedRetryMs: 60000,
  rungs: 1,
  random: Math.random,
};

/** The longest wait before try `attempt` (from 1): 1, 2, 4, 8, 8 … s. */
export const ceilingMs = (attempt, { baseMs, maxMs }) => Math.min(maxMs, baseMs * 2 ** (attempt - 1));

/** Exponential back-off with full jitter: anything up to the ceiling, so that a crowd spreads out. */
export const backoffMs = (attempt, rules) => rules.random() * ceilingMs(attempt, rules);

/** Neither connected nor trying to be. */
export const isStopped = ({ status }) => ["idle", "closed", "paused"].includes(status);

/** What a page may show for `state.reason`. */
export const messageFor = (state) => (state.status === "failed" ? MESSAGES[state.reason] || UNREACHABLE : "");

/** The state after `fact`. */
export function next(state, fact, rules) {
  switch (fact.kind) {
    case "try":
      return { ...state, status: trying(state), delayMs: null, reason: fact.reason ?? state.reason };
    case "up":
      return { ...state, status: "connected", rung: fact.rung, denials: 0, delayMs: null, reason: null };
    case "down":
      return down(state, fact, rules);
    case "denied": // a swap's token was refused; what is open lives on
      return { ...state, denials: state.denials + 1 };
    case "offline":
      return { ...state, status: "offline", reason: "offline", delayMs: rules.maxMs };
    case "retry":
      return { ...INITIAL, rung: state.rung, reason: "retry" };
    default: // "stop"
      return { ...INITIAL, rung: state.rung, status: fact.status };
  }
}

/** A try in the background does not take back what the page was told: that there is no network, or no way. */
function trying({ status, reason }) {
  if (status === "offline" || status === "failed") return status;
  return reason || status === "connected" ? "reconnecting" : "connecting";
}

/** A connection ended, or was never made: its `end`, how long it lived, whether its transport is to blame. */
function down(state, { end, livedMs, blame, online }, rules) {
  const reason = end.reason === "revoked" ? "unauthorized" : end.reason;
  const retryMs = Math.min(end.retryMs || 0, 30000);
  if (!online) return next(state, { kind: "offline" }, rules);
  if (PLANNED.includes(reason) && livedMs > 1000)
    return { ...state, status: "reconnecting", attempt: 0, delayMs: retryMs || spread(reason, rules), reason };
  if (reason === "replaced" || reason === "forbidden") return { ...state, status: "failed", reason, delayMs: null };
  const proven = livedMs >= PROVEN_MS;
  const attempt = (proven ? 0 : state.attempt) + 1;
  const denials = reason === "unauthorized" ? state.denials + 1 : 0;
  if (denials > 1) return { ...state, status: "failed", attempt, denials, reason, delayMs: null };
  const stepped = step(state, (proven ? 0 : state.slips) + (blame ? 1 : 0), rules);
  if (attempt >= rules.maxAttempts || state.status === "failed")
    return { ...state, ...stepped, status: "failed", attempt, reason, delayMs: jittered(rules) };
  const delayMs = Math.max(retryMs, backoffMs(attempt, rules));
  return { ...state, ...stepped, status: "reconnecting", attempt, denials, delayMs, reason };
}

const spread = (reason, rules) => (reason === "drain" ? backoffMs(1, rules) : 0);

const jittered = ({ failedRetryMs, random }) => (failedRetryMs ? failedRetryMs * (0.5 + random()) : null);

/** After `fallbackAfter` slips that were the transport's own fault: the next one, and from the last the first again. */
function step({ rung }, slips, { fallbackAfter, rungs }) {
  return slips < fallbackAfter ? { rung, slips } : { rung: (rung + 1) % rungs, slips: 0 };
}
