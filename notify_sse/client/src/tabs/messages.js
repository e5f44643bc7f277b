// tabs/ shares one connection between all tabs of a browser: `share.js` chooses how, `host.js` is the end that holds the
// connection, `member.js` is a tab's end. This file is the table of the messages between the two ends, and the only place
// that makes them. They travel over a port of the SharedWorker, or over a BroadcastChannel, which all tabs hear.
//
// | name | from | to | fields | when |
// |---|---|---|---|---|
// | hello | tab | host | joining (worker only) | a tab joins, or wakes and may have missed something |
// | ping | tab | host | | every 10 s: does the host still live? |
// | wake | tab | host | changed | the page was shown; or, with `changed`, the network is another one |
// | offline | tab | host | | the browser says that there is no network |
// | retry | tab | host | | the page called `retryNow()` |
// | token | tab | worker | request, token or failed | the answer to needToken |
// | bye | tab | worker | | the tab leaves |
// | welcome | host | tab, or all | state, cursor | the answer to hello; and to all when a tab has become the leader |
// | pong | host | tab | | the answer to ping |
// | state | host | all | state | the state of the connection changed |
// | frames | host | all | frames | events came; those that came together are one message |
// | needToken | worker | tab | request, reason | the worker needs a token, which only a page can get |

/** @import { ConnectionState, TokenReason } from "../../notify-sse.js" */
/** @import { Frame, SourceOptions } from "../types.js" */

/**
 * @typedef {object} Joining What a worker needs to know of a tab that joins.
 * @property {string | null} cursor
 * @property {SourceOptions} options those that can be sent: no functions
 * @property {boolean} hasToken whether the tab can be asked for tokens
 *
 * @typedef {{ type: "hello", joining?: Joining }} Hello
 * @typedef {{ type: "ping" }} Ping
 * @typedef {{ type: "wake", changed: boolean }} Wake
 * @typedef {{ type: "offline" }} Offline
 * @typedef {{ type: "retry" }} Retry
 * @typedef {{ type: "token", request: number, token?: string | null, failed?: string }} Token
 * @typedef {{ type: "bye" }} Bye
 * @typedef {Hello | Ping | Wake | Offline | Retry | Token | Bye} FromTab
 *
 * @typedef {Partial<ConnectionState>} State
 * @typedef {{ type: "welcome", state: State, cursor: string | null }} Welcome
 * @typedef {{ type: "pong" }} Pong
 * @typedef {{ type: "state", state: State }} StateChanged
 * @typedef {{ type: "frames", frames: Frame[] }} Frames
 * @typedef {{ type: "needToken", request: number, reason: TokenReason }} NeedToken
 * @typedef {Welcome | Pong | StateChanged | Frames | NeedToken} FromHost
 *
 * @typedef {FromTab | FromHost} Message
 */

/**
 * The version of this table. It is a part of the name by which tabs find each other, so that a tab with an older version of
 * these files, which is still open after a deployment, never meets messages that it does not know. Raise it with each
 * change of a message.
 */
export const VERSION = 4;

const FROM_TAB = ["hello", "ping", "wake", "offline", "retry", "token", "bye"];

/**
 * Whether a message is for the host. On a BroadcastChannel the tabs hear these too, and have to pass them over.
 *
 * @param {Message} message
 * @returns {message is FromTab}
 */
export function isFromTab(message) {
  return FROM_TAB.includes(message.type);
}

/**
 * @param {Joining} [joining]
 * @returns {Hello}
 */
export function hello(joining) {
  return { type: "hello", joining };
}

/** @returns {Ping} */
export function ping() {
  return { type: "ping" };
}

/**
 * @param {boolean} changed
 * @returns {Wake}
 */
export function wake(changed) {
  return { type: "wake", changed };
}

/** @returns {Offline} */
export function offline() {
  return { type: "offline" };
}

/** @returns {Retry} */
export function retry() {
  return { type: "retry" };
}

/**
 * @param {number} request
 * @param {string | null | undefined} value
 * @returns {Token}
 */
export function token(request, value) {
  return { type: "token", request, token: value };
}

/**
 * @param {number} request
 * @param {any} cause what `getToken` threw. Only its words can always be sent
 * @returns {Token}
 */
export function noToken(request, cause) {
  return { type: "token", request, failed: String(cause?.message ?? cause) || "it threw" };
}

/** @returns {Bye} */
export function bye() {
  return { type: "bye" };
}

/**
 * @param {State} state
 * @param {string | null} cursor where the host stands
 * @returns {Welcome}
 */
export function welcome(state, cursor) {
  return { type: "welcome", state: sendable(state), cursor };
}

/** @returns {Pong} */
export function pong() {
  return { type: "pong" };
}

/**
 * @param {State} state
 * @returns {StateChanged}
 */
export function stateChanged(state) {
  return { type: "state", state: sendable(state) };
}

/**
 * @param {Frame[]} list
 * @returns {Frames}
 */
export function frames(list) {
  return { type: "frames", frames: list };
}

/**
 * @param {number} request
 * @param {TokenReason} reason
 * @returns {NeedToken}
 */
export function needToken(request, reason) {
  return { type: "needToken", request, reason };
}

/**
 * What `getToken` threw may be of a kind that cannot be sent. Its words are in the detail.
 *
 * @param {State} state
 * @returns {State}
 */
function sendable(state) {
  return state.error ? { ...state, error: { ...state.error, cause: null } } : state;
}
