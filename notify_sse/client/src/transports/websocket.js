// The stream over a WebSocket (docs/reference/websocket.md). A token goes in the first frame: it stays out of addresses.
import { buildUrl, refusal, streamParams } from "../request.js";

/** @import { End, StreamEnd, StreamRequest } from "../types.js" */

const PING_MS = 20000;
const TRY_AGAIN_LATER = 1013;

/**
 * What the service says with the code of a close.
 *
 * @type {Record<number, string>}
 */
const REASONS = {
  1012: "drain",
  4001: "token_expired",
  4002: "revoked",
  4003: "replaced",
  4004: "slow_consumer",
  4404: "not_enabled",
  [TRY_AGAIN_LATER]: "refused",
};

/**
 * Codes that stand for an HTTP status.
 *
 * @type {Record<number, number>}
 */
const STATUSES = { 4401: 401, 4403: 403, 4408: 401 };

/** What a service says that does not take a new token: it is refused, or another user's; or the service is an earlier version. */
const NOT_TAKEN = [4400, 4401, 4403];

/** @param {string} text */
export function decode(text) {
  return JSON.parse(text);
}

/**
 * @param {StreamRequest} request
 * @param {StreamEnd} stream
 */
export function open(request, stream) {
  const { base, token, freshToken } = request;
  let isRenewed = false;
  const url = buildUrl(base, "ws", streamParams(request));
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  const pings = setInterval(() => {
    if (socket.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}');
  }, PING_MS);
  socket.onopen = () => {
    stream.accepted = true;
    if (token) socket.send(JSON.stringify({ type: "auth", token }));
  };
  socket.onmessage = ({ data }) => stream.receive(data);
  socket.onclose = ({ code, reason }) => {
    // A new token that is not taken: what is wrong with it, a new connection is told.
    if (isRenewed && NOT_TAKEN.includes(code)) stream.end({ reason: "token_expired" });
    else stream.end({ ...endForCode(code), detail: reason || undefined });
  };
  if (token) {
    stream.renew = async () => {
      const fresh = await freshToken("expiring");
      if (socket.readyState !== WebSocket.OPEN) return;
      isRenewed = true;
      socket.send(JSON.stringify({ token: fresh }));
    };
  }
  return () => {
    clearInterval(pings);
    socket.close();
  };
}

/**
 * @param {number} code
 * @returns {End}
 */
function endForCode(code) {
  if (code in STATUSES) return refusal(STATUSES[code]);
  return { reason: REASONS[code] ?? "network" };
}
