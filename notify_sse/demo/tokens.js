// Tokens for the demo. A real page gets them from the backend that its user is signed in to.

export const me = new URLSearchParams(location.search).get("user") || "alice";

/** How long the recipient's next tokens last, in s; null for as long as they may. */
let shortS = null;
export function shorten(seconds) {
  shortS = seconds;
}

export async function token({ publish = false } = {}) {
  const wanted = { recipient_id: me, publish, ...(shortS && !publish ? { ttl_s: shortS } : {}) };
  const headers = { "content-type": "application/json" };
  const answer = await fetch("/demo/token", { method: "POST", headers, body: JSON.stringify(wanted) });
  if (!answer.ok) throw Object.assign(new Error(`No token: HTTP ${answer.status}`), { status: answer.status });
  return (await answer.json()).token;
}
