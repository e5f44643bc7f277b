// The stream over a WebSocket (docs/reference/websocket.md). A token goes in the first frame: it stays out of addresses.
import { address, place, refusal } from "../request.js";

const PING_MS = 20000;
const CLOSES = {
  1012: "drain",
  4001: "token_expired",
  4002: "revoked",
  4003: "replaced",
  4004: "slow_consumer",
};
const STATUSES = { 4401: 401, 4403: 403, 4408: 401 };

export const decode = JSON.parse;

export function open({ base, token, ...rest }, line) {
  const url = address(base, "ws", place(rest));
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  const pings = setInterval(() => socket.readyState === 1 && socket.send('{"type":"ping"}'), PING_MS);
  socket.onopen = () => {
    line.opened = true;
    if (token) socket.send(JSON.stringify({ type: "auth", token }));
  };
  socket.onmessage = ({ data }) => line.take(data);
  socket.onclose = ({ code }) => line.end(ended(code));
  return () => (clearInterval(pings), socket.close());
}

function ended(code) {
  if (STATUSES[code]) return refusal(STATUSES[code]);
  return { reason: CLOSES[code] ?? (code === 1013 ? "refused" : "network") };
}
