// A load test of streams, for k6 with the SSE extension: users hold streams open, publishers publish, each delivery is timed and
// counted.
//
//   xk6 build --with github.com/phymbert/xk6-sse
//   ./k6 run -e URL=https://push.example.test -e JWT_SECRET=… -e USERS=5000 -e RATE=500 -e SECONDS=120 deploy/k6/streams.js
//
// It passes when p95 from publisher to client is under 100 ms, nothing is lost, repeated or out of order, and every request was
// answered as it should be. k6 publishes itself, so both times of a delivery are of one clock.
import { check } from "k6";
import { Trend } from "k6/metrics";
import sse from "k6/x/sse";
import { authorization, countMissed, judge, SERVICE, userName } from "./common.js";

export { options, publisher, setup } from "./common.js";

const connecting = new Trend("connect_ms", true);

// One user: a stream from the first moment to the last.
export function user(data) {
  const name = userName(data);
  const headers = { Authorization: authorization(name, "notifications:read") };
  const asked = Date.now();
  let last = 0;
  let cursor = "";
  const response = sse.open(`${SERVICE}/notifications/stream`, { headers, tags: { name: "stream" } }, (client) => {
    client.on("event", (event) => {
      const now = Date.now();
      cursor = event.id || cursor;
      if (event.name === "connected") connecting.add(now - asked);
      else if (event.name === "" || event.name === "message") last = judge(JSON.parse(event.data).payload, last, now);
      if (now > data.endsAt) client.close(); // a heartbeat comes at the latest
    });
    client.on("error", (error) => console.error(`the stream of ${name}: ${error.error()}`));
  });
  check(response, { "the stream opened": (r) => r && r.status === 200 });
  countMissed(headers, cursor);
}
