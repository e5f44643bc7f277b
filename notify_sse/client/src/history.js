// Pages of stored notifications.
import { address, proof } from "./request.js";

const TIMEOUT_MS = 15000;

/** One page: `{items, cursor, more, reset, next()}`; `next()` reads on in the same direction, null at the end. */
export async function readHistory(options, query = {}, signal) {
  const { url, topics, withCredentials, getToken } = options;
  const token = await getToken?.({ reason: "history" });
  const params = { order: "desc", topics: topics?.join(), ...query };
  const asked = { ...proof({ token, withCredentials }), signal: limited(signal) };
  const answer = await fetch(address(url, "history", params), asked);
  if (!answer.ok) throw Object.assign(new Error(`The history answered ${answer.status}`), { status: answer.status });
  const page = await answer.json();
  return {
    ...page,
    next: async () => (page.more ? readHistory(options, { ...query, ...further(page, params) }) : null),
  };
}

/** Ends at `signal`, or in time; browsers without `any` only in time. */
function limited(signal) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  return signal ? (AbortSignal.any?.([signal, timeout]) ?? timeout) : timeout;
}

const further = ({ items, cursor }, { order }) =>
  order === "asc" ? { after: cursor } : { before: items.at(-1).cursor };
