// Pages of stored notifications.
import { address, proof } from "./request.js";

/** One page: `{items, cursor, more, reset, next()}`; `next()` reads on in the same direction, null at the end. */
export async function readHistory(options, query = {}) {
  const { url, topics, withCredentials, getToken } = options;
  const token = await getToken?.({ reason: "history" });
  const params = { order: "desc", topics: topics?.join(), ...query };
  const answer = await fetch(address(url, "history", params), proof({ token, withCredentials }));
  if (!answer.ok) throw Object.assign(new Error(`The history answered ${answer.status}`), { status: answer.status });
  const page = await answer.json();
  return { ...page, next: async () => (page.more ? readHistory(options, { ...query, ...further(page, params) }) : null) };
}

const further = ({ items, cursor }, { order }) => (order === "asc" ? { after: cursor } : { before: items.at(-1).cursor });
