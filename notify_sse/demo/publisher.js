// The left pane: a backend service, played by this page. It publishes over HTTP, and tries again with the same ids until it
// is told that they are stored.
import { token } from "./tokens.js";

const BATCH = 100;
/** Statuses below 500 that say nothing against what is published: it may be tried again. */
const PASSING = [408, 425, 429];
const WORDS = ["Lunch?", "The build is green.", "See you at three.", "Can you look at this?", "Done!", "On my way."];
const SENDERS = ["Bob", "Carol", "Dave", "Erin", "Frank"];
const FIELDS = ["email", "plan", "password", "address"];
const pick = (list) => list[Math.floor(Math.random() * list.length)];

const EXAMPLES = {
  new_message: (text) => ({ sender: pick(SENDERS), text: text || pick(WORDS) }),
  account_update: (text) => {
    const field = pick(FIELDS);
    return { field, text: text || `Your ${field} was changed.` };
  },
  system_alert: (text, severity) => ({ severity, text: text || "Maintenance tonight at 22:00 UTC." }),
};

/** A notification of `type` as a backend service would publish it. */
export function example(type, { to, text = "", severity = "info" }) {
  const address = type === "system_alert" ? { topic: "all" } : { recipient_id: to };
  const id = `demo-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;
  return { notification_id: id, notification_type: type, ...address, payload: EXAMPLES[type](text, severity) };
}

/** Publishes in order; `stored(ids)` after each batch. Resolves when all are stored. */
export async function publish(notifications, stored, trouble) {
  for (let at = 0; at < notifications.length; at += BATCH) {
    const batch = notifications.slice(at, at + BATCH);
    await untilStored(batch, trouble);
    stored(batch);
  }
}

async function untilStored(batch, trouble) {
  for (let waitMs = 250; ; waitMs = Math.min(waitMs * 2, 4000)) {
    const problem = await attempt(batch);
    if (!problem) return trouble("");
    trouble(problem);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** What went wrong and may be tried again, or nothing. Throws what trying again cannot mend. */
async function attempt(batch) {
  try {
    const headers = { authorization: `Bearer ${await token({ publish: true })}`, "content-type": "application/json" };
    const answer = await fetch("/notifications", { method: "POST", headers, body: JSON.stringify(batch) });
    if (answer.ok) return "";
    const { detail, title } = await answer.json();
    throw Object.assign(new Error(detail ?? title), { status: answer.status });
  } catch (error) {
    if (error instanceof TypeError) return "The service does not answer; trying again…";
    if (error.status >= 500 || PASSING.includes(error.status)) return error.message;
    throw error;
  }
}
