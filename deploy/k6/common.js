// What the two load tests share: the amounts, tokens, publishers, and how a delivery is judged.
import { check } from "k6";
import crypto from "k6/crypto";
import encoding from "k6/encoding";
import exec from "k6/execution";
import http from "k6/http";
import { Counter, Trend } from "k6/metrics";

export const SERVICE = __ENV.URL || "http://127.0.0.1:8000";
const SECRET = __ENV.JWT_SECRET;
const USERS = Number(__ENV.USERS || 5000);
const RATE = Number(__ENV.RATE || 500);
const SECONDS = Number(__ENV.SECONDS || 120);
const CONNECT_S = Number(__ENV.CONNECT_S || 30); // for all users to come, and again after the last publish
const P95_MS = Number(__ENV.P95_MS || 100);

const delivery = new Trend("delivery_ms", true);
const received = new Counter("notifications_received");
const disordered = new Counter("notifications_repeated_or_out_of_order");
const lost = new Counter("notifications_lost");

export const options = {
  scenarios: {
    users: {
      executor: "per-vu-iterations",
      exec: "user",
      vus: USERS,
      iterations: 1,
      maxDuration: `${2 * CONNECT_S + SECONDS + 60}s`,
    },
    publishers: {
      executor: "constant-arrival-rate",
      exec: "publisher",
      startTime: `${CONNECT_S}s`,
      rate: RATE,
      timeUnit: "1s",
      duration: `${SECONDS}s`,
      preAllocatedVUs: Math.max(1, Math.ceil(RATE / 10)),
    },
  },
  thresholds: {
    delivery_ms: [`p(95)<${P95_MS}`],
    notifications_received: ["count>0"],
    notifications_repeated_or_out_of_order: ["count==0"],
    notifications_lost: ["count==0"],
    checks: ["rate==1"],
  },
};

export function setup() {
  if (!SECRET) throw new Error("give the key of the service: -e JWT_SECRET=…");
  return { run: Date.now().toString(36), endsAt: Date.now() + (2 * CONNECT_S + SECONDS) * 1000 };
}

export function userName(data) {
  return `k6-${data.run}-${exec.scenario.iterationInTest}`;
}

// HS256 by hand: k6 has no JWT.
export function authorization(sub, scope) {
  const part = (value) => encoding.b64encode(JSON.stringify(value), "rawurl");
  const exp = Math.floor(Date.now() / 1000) + 2 * CONNECT_S + SECONDS + 300;
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, scope, aud: "notify-sse", exp })}`;
  return `Bearer ${signed}.${crypto.hmac("sha256", SECRET, signed, "base64rawurl")}`;
}

// What is published for one user has the numbers 1, 2, 3 …; `last` is the last that this user has seen.
export function judge(payload, last, now) {
  received.add(1);
  delivery.add(now - payload.sent_at);
  if (payload.n <= last) disordered.add(1);
  else if (payload.n > last + 1) lost.add(payload.n - last - 1);
  return Math.max(last, payload.n);
}

// What is stored after `cursor` and did not come is lost too.
export function countMissed(headers, cursor) {
  const url = `${SERVICE}/notifications/history?order=asc&limit=500&after=${cursor}`;
  const answer = http.get(url, { headers, tags: { name: "history" } });
  if (check(answer, { "the history answered": (r) => r.status === 200 })) lost.add(answer.json().items.length);
}

// One after the other to each user. The same user's turn comes again after USERS / RATE seconds.
export function publisher(data) {
  const turn = exec.scenario.iterationInTest;
  const body = {
    recipient_id: `k6-${data.run}-${turn % USERS}`,
    notification_type: "load",
    payload: { n: Math.floor(turn / USERS) + 1, sent_at: Date.now() },
  };
  const headers = { Authorization: authorization("k6", "notifications:publish"), "Content-Type": "application/json" };
  const answer = http.post(`${SERVICE}/notifications`, JSON.stringify(body), { headers, tags: { name: "publish" } });
  check(answer, { "the publish was accepted": (r) => r.status === 201 });
}
