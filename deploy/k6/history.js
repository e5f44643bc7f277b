// The same load test where k6 has no SSE extension: users poll the history, which waits until there is something (a long poll).
//
//   k6 run -e URL=https://push.example.test -e JWT_SECRET=… -e USERS=1000 -e RATE=100 -e SECONDS=120 deploy/k6/history.js
import { check } from "k6";
import http from "k6/http";
import { authorization, countMissed, judge, SERVICE, userName } from "./common.js";

export { options, publisher, setup } from "./common.js";

// One user: a poll after the other, each from where the last one ended.
export function user(data) {
  const headers = { Authorization: authorization(userName(data), "notifications:read") };
  const history = `${SERVICE}/notifications/history?order=asc&limit=500`;
  let last = 0;
  let cursor = http.get(history, { headers, tags: { name: "poll" } }).json().cursor;
  while (Date.now() < data.endsAt) {
    const wait = Math.min(10, Math.max(1, Math.ceil((data.endsAt - Date.now()) / 1000)));
    const params = { headers, timeout: "30s", tags: { name: "poll" } };
    const answer = http.get(`${history}&wait=${wait}&after=${cursor}`, params);
    const now = Date.now();
    if (!check(answer, { "the poll answered": (r) => r.status === 200 })) return;
    const page = answer.json();
    for (const item of page.items) last = judge(item.payload, last, now);
    cursor = page.cursor;
  }
  countMissed(headers, cursor);
}
