// What an answer of the service says in words.

/** @import { Cause } from "./types.js" */

/**
 * What an answer says: a problem document (RFC 9457), a page of the history, or something that is not the service's.
 *
 * @param {Response} answer
 * @returns {Promise<Pick<Cause, "code" | "detail" | "cursor" | "recipient">>}
 */
export async function readAnswer(answer) {
  const type = answer.headers?.get("content-type") ?? "";
  if (/json/.test(type)) {
    const { code, detail, cursor, recipient_id: recipient } = (await answer.json().catch(() => null)) ?? {};
    return { code, detail, cursor, recipient };
  }
  if (answer.status !== 200 || !type) return {};
  const detail = `${hide(answer.url)} answered with ${type}, not with JSON: a sign-in page, or another server?`;
  return { code: "foreign_answer", detail };
}

/** @param {string} url its query may hold a token */
function hide(url) {
  return url.split("?")[0];
}
