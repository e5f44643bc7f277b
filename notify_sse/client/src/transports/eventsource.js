// Native EventSource, for one connection only: after any error it is thrown away, because the browser's own reconnect
// sends an old token, knows no back-off, and gives up for ever on an answer other than 200.
import { address, place } from "../request.js";

export const EVENTS = ["message", "connected", "heartbeat", "reset", "expiring", "closing"];

export const decode = ({ type, lastEventId, data }) => ({ event: type, id: lastEventId, data: JSON.parse(data) });

export function open({ base, token, withCredentials, ...rest }, line) {
  const source = new EventSource(address(base, "stream", { ...place(rest), access_token: token }), { withCredentials });
  const hear = (event) => line.take(event);
  for (const type of EVENTS) source.addEventListener(type, hear);
  source.onopen = () => (line.opened = true);
  source.onerror = () => line.end({ reason: source.readyState === EventSource.CLOSED ? "refused" : "network" });
  return () => source.close();
}
