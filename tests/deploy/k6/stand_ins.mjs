// Stand-ins for the modules of k6 that deploy/k6 imports, with the signatures of its documentation, so that the scripts run in Node.
// k6's calls block; here a virtual user is a worker thread that sleeps until a second thread has the answer.
import { createHmac } from "node:crypto";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";

export const recorded = { trends: {}, counters: {}, checks: [] };
export const current = { iteration: 0 };

const io = (() => {
  let started;
  return () => {
    if (!started) {
      const { port1, port2 } = new MessageChannel();
      const bell = new Int32Array(new SharedArrayBuffer(4));
      const worker = new Worker(new URL("./io.mjs", import.meta.url), {
        workerData: { port: port2, bell },
        transferList: [port2],
      });
      worker.unref();
      started = { port: port1, bell, worker };
    }
    return started;
  };
})();

// The next message of the other thread; it rings after each.
function next() {
  const { port, bell } = io();
  for (;;) {
    const seen = Atomics.load(bell, 0);
    const received = receiveMessageOnPort(port);
    if (received) return received.message;
    if (Atomics.wait(bell, 0, seen, 60_000) === "timed-out") throw new Error("no answer for a minute");
  }
}

// k6
export function check(value, conditions) {
  const results = Object.entries(conditions).map(([name, condition]) => [name, Boolean(condition(value))]);
  for (const [name, passed] of results) recorded.checks.push({ name, passed });
  return results.every(([, passed]) => passed);
}

// k6/metrics
export class Trend {
  constructor(name, isTime = false) {
    this.values = recorded.trends[name] ??= [];
    this.isTime = isTime;
  }
  add(value) {
    if (!Number.isFinite(value)) throw new TypeError(`a trend of ${value}`);
    this.values.push(value);
  }
}

export class Counter {
  constructor(name) {
    this.name = name;
    recorded.counters[name] ??= 0;
  }
  add(value) {
    if (!Number.isFinite(value)) throw new TypeError(`a count of ${value}`);
    recorded.counters[this.name] += value;
  }
}

// k6/http
function request(method, url, body, params = {}) {
  io().port.postMessage({ kind: "http", method, url, body, headers: params.headers ?? {} });
  const answer = next();
  return { ...answer, json: () => JSON.parse(answer.body) };
}

export const http = {
  get: (url, params) => request("GET", url, undefined, params),
  post: (url, body, params) => request("POST", url, body, params),
};

// k6/x/sse
class Client {
  callbacks = { open: [], event: [], error: [] };
  closed = false;

  on(name, callback) {
    this.callbacks[name].push(callback);
  }

  close() {
    this.closed = true;
    io().port.postMessage({ kind: "close" });
  }

  call(name, value) {
    for (const callback of this.closed ? [] : this.callbacks[name]) callback(value);
  }
}

export const sse = {
  open(url, params, setUp) {
    const client = new Client();
    setUp(client);
    io().port.postMessage({ kind: "sse", url, headers: params.headers ?? {} });
    let status = 0;
    for (let message = next(); message.kind !== "ended"; message = next()) {
      if (message.kind === "opened") status = message.status;
      client.call(message.name, message.name === "error" ? { error: () => message.value.why } : message.value);
    }
    return { url, status, headers: {}, body: "", error: "" };
  },
};

// k6/crypto, k6/encoding, k6/execution
const BASE64 = { base64rawurl: "base64url", base64: "base64", hex: "hex" };
export const crypto = {
  hmac: (algorithm, secret, data, output) => createHmac(algorithm, secret).update(data).digest(BASE64[output]),
};
export const encoding = {
  b64encode: (text, kind) => Buffer.from(text).toString(kind === "rawurl" ? "base64url" : "base64"),
};
export const exec = {
  scenario: {
    get iterationInTest() {
      return current.iteration;
    },
  },
};
