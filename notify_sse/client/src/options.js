// The options of a manager: their defaults, and the service's address in full.

/** @import { ManagerOptions } from "../notify-sse.js" */
/** @import { SourceOptions } from "./types.js" */

/** @satisfies {ManagerOptions} */
const DEFAULTS = { url: "/notifications", topics: [], resume: "session", share: "auto" };

/**
 * @param {ManagerOptions} options
 * @returns {SourceOptions}
 */
export function completeOptions(options) {
  const { url, ...chosen } = { ...DEFAULTS, ...withoutUndefined(options) };
  // Where a server renders there is no base, and nothing is asked.
  const base = globalThis.document?.baseURI ?? globalThis.location?.href ?? "http://localhost";
  return { ...chosen, url: new URL(url, base).href.replace(/\/$/, "") };
}

/**
 * An option that is given as undefined is not given: it must not hide its default.
 *
 * @param {ManagerOptions} options
 * @returns {ManagerOptions}
 */
function withoutUndefined(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
