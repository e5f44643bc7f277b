// npm `eventsource`, as a backend would use it: prints every event as a line of JSON, until it is killed.
import { EventSource } from "eventsource";

const [url, token] = process.argv.slice(2);
const source = new EventSource(url, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } }),
});
const print = (event) =>
  console.log(JSON.stringify({ event: event.type, id: event.lastEventId, data: event.data ?? null }));
for (const name of ["open", "error", "message", "connected", "reset", "closing"]) {
  source.addEventListener(name, print);
}
