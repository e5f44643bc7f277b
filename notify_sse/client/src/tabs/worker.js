// The SharedWorker: one hub for the tabs of one user. The pages bring the tokens.
import { Host } from "./host.js";

/** The next tab is asked as well when one takes this long: it may have died. */
const NEXT_TAB_MS = 3000;
/** As long as a connection may take of which the page has the only one. */
const TOKEN_MS = 10000;
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
  hub ??= new Host({ ...options, getToken: tokens ? askForToken : undefined }, tell);
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

/** Asks the tabs in turn, the one heard last first; the first answer counts. */
function askForToken({ reason }) {
  const request = ++requests;
  const latest = [...ports].sort(([, a], [, b]) => b - a);
  const timers = latest.map(([port], turn) =>
    setTimeout(() => port.postMessage({ wanted: request, reason }), turn * NEXT_TAB_MS),
  );
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error("no tab has a token"));
    timers.push(setTimeout(fail, TOKEN_MS));
    wanted.set(request, ({ token, failed }) => (failed ? fail() : resolve(token)));
  }).finally(() => {
    timers.forEach(clearTimeout);
    wanted.delete(request);
  });
}
