// Where the service's routes are, and how a request proves who asks.

/** The address of `path` below `base`, with those of `params` that are set. */
export function address(base, path, params) {
  const url = new URL(`${base}/${path}`, globalThis.document?.baseURI ?? globalThis.location?.href);
  for (const [name, value] of Object.entries(params))
    if (value != null && value !== "") url.searchParams.set(name, value);
  return url;
}

/** What every stream request says of the place it goes on from. */
export const place = ({ cursor, topics }) => ({ last_event_id: cursor, topics: topics?.join() });

/** `fetch` options that prove who asks: the token in a header, or the cookie. */
export const proof = ({ token, withCredentials }) => ({
  cache: "no-store",
  credentials: withCredentials ? "include" : "same-origin",
  headers: token ? { authorization: `Bearer ${token}` } : {},
});

/** The end that an HTTP answer other than 200 is. */
export const refusal = (status, retryMs) => ({
  reason: { 401: "unauthorized", 403: "forbidden" }[status] ?? "refused",
  status,
  retryMs,
});

/** Asks the service for very little, to learn why a connection failed: the status of its answer, 0 for none. */
export async function probe({ base, ...request }) {
  try {
    const signal = AbortSignal.timeout(5000);
    const answer = await fetch(address(base, "history", { limit: 1, order: "desc" }), { ...proof(request), signal });
    return answer.status;
  } catch {
    return 0;
  }
}
