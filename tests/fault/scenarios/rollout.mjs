// Browser clients, as a page has them, but in Node: `node rollout.mjs clients.json`, which has
// [{ name, url, token }]. Prints a line of JSON for each notification and each change of transport, until it is killed.
import { readFileSync } from "node:fs";
import { NotificationConnectionManager } from "../../../notify_sse/client/notify-sse.js";

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

for (const { name, url, token } of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const manager = new NotificationConnectionManager({
    url: `${url}/notifications`,
    getToken: () => token,
    tokenIn: "header",
    share: "none",
    resume: "none",
    baseMs: 200,
    maxMs: 1000,
  });
  let shown = "";
  manager.onState(({ status, transport }) => {
    const way = status === "connected" ? transport : "";
    if (way !== shown) print({ name, way });
    shown = way;
  });
  manager.onAll(({ notification_id: id }) => print({ name, id }));
  manager.onReset(() => print({ name, reset: true }));
  manager.connect();
}
