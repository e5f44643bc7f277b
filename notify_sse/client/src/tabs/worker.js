// The SharedWorker: one host for the tabs of one user. The pages bring the tokens. Pages load it as ../../notify-sse-worker.js, one
// file that is built from this one.
import { NotificationError } from "../errors.js";
import { Host } from "./host.js";
import * as messages from "./messages.js";

/** @import { TokenReason } from "../../notify-sse.js" */
/** @import { FromHost, FromTab, Joining, Token } from "./messages.js" */

/** The next tab is asked as well when one takes this long: it may have died. */
const NEXT_TAB_MS = 3000;
/** As long as a connection may take of which the page has the only one. */
const TOKEN_MS = 10000;
/** A tab that was not heard for this long is gone. Tabs ping every 10 s, and in the background at least every minute. */
const FORGET_MS = 180000;

/**
 * The tabs, and when each was heard last.
 *
 * @type {Map<MessagePort, number>}
 */
const ports = new Map();
/**
 * The requests for tokens that are under way.
 *
 * @type {Map<number, (answer: Token) => void>}
 */
const requests = new Map();
let lastRequest = 0;
/** @type {Host | null} */
let host = null;

/** @type {any} */ (globalThis).onconnect = (/** @type {MessageEvent} */ event) => {
  const [port] = event.ports;
  port.onmessage = ({ data }) => hear(port, data);
};

/**
 * @param {MessagePort} port
 * @param {FromTab} message
 */
function hear(port, message) {
  if (message.type === "bye") {
    leave(port);
    return;
  }
  ports.set(port, Date.now());
  if (message.type === "token") {
    requests.get(message.request)?.(message);
    return;
  }
  if (message.type === "hello" && message.joining) join(message.joining);
  host?.hear(message, (reply) => port.postMessage(reply));
  for (const [other, heardMs] of ports) {
    if (Date.now() - heardMs > FORGET_MS) leave(other);
  }
}

/** @param {Joining} joining */
function join({ options, cursor, hasToken }) {
  host ??= new Host({ ...options, getToken: hasToken ? askForToken : undefined }, tellAll);
  host.start(cursor);
}

/** @param {MessagePort} port */
function leave(port) {
  ports.delete(port);
  if (ports.size) return;
  host?.stop();
  host = null;
}

/** @param {FromHost} message */
function tellAll(message) {
  for (const port of ports.keys()) port.postMessage(message);
}

/**
 * Asks the tabs in turn, first the one that was heard last. The first answer counts.
 *
 * @param {{ reason: TokenReason }} wanted
 * @returns {Promise<string | null | undefined>}
 */
function askForToken({ reason }) {
  lastRequest += 1;
  const request = lastRequest;
  const latestFirst = [...ports].sort(([, a], [, b]) => b - a);
  const timers = latestFirst.map(([port], index) =>
    setTimeout(() => port.postMessage(messages.needToken(request, reason)), index * NEXT_TAB_MS),
  );
  /** @type {Promise<string | null | undefined>} */
  const answered = new Promise((resolve, reject) => {
    const fail = (words = "no tab has a token") => reject(new NotificationError("token", words));
    timers.push(setTimeout(fail, TOKEN_MS));
    requests.set(request, ({ token, failed }) => {
      if (failed) fail(failed);
      else resolve(token);
    });
  });
  return answered.finally(() => {
    timers.forEach(clearTimeout);
    requests.delete(request);
  });
}
