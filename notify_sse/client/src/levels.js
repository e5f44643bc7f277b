// The transports of a connection by level: 0 is the best one, each further one gets through where the one before it does not.
import { decode, open } from "./transports/eventsource.js";

/** @import { Transport as TransportName } from "../notify-sse.js" */
/** @import { SourceOptions, Transport } from "./types.js" */

/**
 * What loads a transport. All but EventSource are modules of their own, which most pages never need.
 *
 * @type {Record<TransportName, (tokenIn?: string) => Promise<Transport>>}
 */
export const TRANSPORTS = {
  eventsource: async (tokenIn) => (tokenIn === "ticket" ? import("./transports/ticket.js") : { open, decode }),
  fetch: () => import("./transports/fetch.js"),
  websocket: () => import("./transports/websocket.js"),
  longpoll: () => import("./transports/longpoll.js"),
};

/**
 * The transports to use, best first.
 *
 * @param {SourceOptions} options
 * @returns {TransportName[]}
 */
export function transportsFor({ transport = "auto", tokenIn }) {
  if (transport !== "auto") return [transport];
  const best = tokenIn === "header" || !globalThis.EventSource ? "fetch" : "eventsource";
  return [best, "websocket", "longpoll"];
}

/**
 * Fetches transports while that is possible: they will be needed when it is not.
 *
 * @param {TransportName[]} names
 */
export function preload(names) {
  for (const name of names) TRANSPORTS[name]().catch(() => {});
}
