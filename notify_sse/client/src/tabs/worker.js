// The SharedWorker: one hub for the tabs of one user. The pages bring the tokens.
import { Hub } from "./hub.js";

const TOKEN_MS = 5000;
const FORGET_MS = 180000; // tabs ping every 10 s, and in the background at least every minute

const ports = new Map(); // port → when it was last heard
const wanted = new Map(); // token requests under way
let hub = null;
let requests = 0;

globalThis.onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => hear(port, data);
};

function hear(port, message) {
  if (message.ask === "bye") return leave(port);
  ports.set(port, Date.now());
  if (message.ask === "token") return wanted.get(message.wanted)?.(message);
  if (message.ask === "hello") welcome(message);
  hub?.hear(message, (reply) => port.postMessage(reply));
  for (const [other, heardMs] of ports) if (Date.now() - heardMs > FORGET_MS) leave(other);
}

function welcome({ options, cursor, tokens }) {
  hub ??= new Hub({ ...options, getToken: tokens ? askForToken : undefined }, tell);
  hub.start(cursor);
}

function leave(port) {
  ports.delete(port);
  if (ports.size) return;
  hub?.stop();
  hub = null;
}

function tell(message) {
  for (const port of ports.keys()) port.postMessage(message);
}

/** Asks the tabs in turn, the one heard last first: another may have died. */
async function askForToken({ reason }) {
  const latest = [...ports].sort(([, a], [, b]) => b - a);
  for (const [port] of latest) {
    const answer = await askPort(port, reason);
    if (answer?.failed) break;
    if (answer) return answer.token;
  }
  throw new Error("no tab has a token");
}

function askPort(port, reason) {
  const request = ++requests;
  return new Promise((resolve) => {
    wanted.set(request, resolve);
    setTimeout(resolve, TOKEN_MS);
    port.postMessage({ wanted: request, reason });
  }).finally(() => wanted.delete(request));
}
