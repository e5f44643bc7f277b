// The options of a manager: their names, their kinds and their defaults, and the service's address in full.
import { NotificationError } from "./errors.js";

/** @import { ManagerOptions } from "../notify-sse.js" */
/** @import { SourceOptions } from "./types.js" */

/** @satisfies {ManagerOptions} */
const DEFAULTS = { url: "/notifications", topics: [], resume: "session", share: "auto" };

/** Every option with its kind: a type of JavaScript, or one of some words. */
const FORM =
  /^((user|cursor):(string)|(url|workerUrl):(string|object)|(topics):(object)|(getToken|random):(function)|(withCredentials|debug):(boolean)|(maxAttempts|baseMs|maxMs|fallbackAfter|upgradeAfterMs|connectTimeoutMs|failedRetryMs|initial):(number)|tokenIn:(query|header|ticket)|transport:(auto|eventsource|fetch|websocket|longpoll)|share:(auto|worker|leader|none)|resume:(session|local|none))$/;
/** Those of words. The value of another one is never shown: it may be a token. */
const OF_WORDS = /^(tokenIn|transport|share|resume)$/;

/**
 * @param {ManagerOptions} options
 * @returns {SourceOptions}
 */
export function completeOptions(options) {
  const { url, ...chosen } = { ...DEFAULTS, ...checkOptions(options) };
  // Where a server renders there is no base, and nothing is asked.
  const base = globalThis.document?.baseURI ?? globalThis.location?.href ?? "http://localhost";
  return { ...chosen, url: new URL(url, base).href.replace(/\/$/, "") };
}

/**
 * The options that are given. One that is undefined or null is not: it must not hide its default.
 *
 * @param {ManagerOptions} options
 * @returns {ManagerOptions}
 */
export function checkOptions(options) {
  const given = Object.entries(options).filter(([, value]) => value != null);
  for (const [name, value] of given) {
    const word = OF_WORDS.test(name) ? String(value) : typeof value;
    if (FORM.test(`${name}:${word}`) && (word !== "number" || value >= 0)) continue;
    throw wrong(name, word);
  }
  return Object.fromEntries(given);
}

/**
 * @param {string} name
 * @param {string} word its value or its kind
 */
function wrong(name, word) {
  const [, kinds] = FORM.source.match(`\\b${name}\\b[\\w|)]*:.([\\w|]+)`) ?? [];
  const known = (kinds ?? FORM.source).match(/\w+/g) ?? [];
  const best = nearest(kinds ? word : name, known);
  const told = `The option "${name}: ${word}" is wrong.${kinds ? ` It takes ${kinds}.` : ""}`;
  return new NotificationError("option", best ? `${told} Did you mean "${best}"?` : told);
}

/**
 * The name that shares most pairs of letters with `given`, for its length; null when none shares half of them.
 *
 * @param {string} given
 * @param {string[]} names
 */
function nearest(given, names) {
  let best = null;
  let most = 0.5;
  for (const name of names) {
    const pairs = [...given].filter((_, at) => name.toLowerCase().includes(given.slice(at, at + 2).toLowerCase()));
    const likeness = (2 * pairs.length) / (given.length + name.length);
    if (likeness > most) [best, most] = [name, likeness];
  }
  return best;
}
