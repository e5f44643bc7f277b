// The views of the page: each asks its routes and gives the elements that are to be shown.

import { overview } from "./overview.js";
import {
  ask,
  button,
  cards,
  changed,
  el,
  form,
  go,
  link,
  number,
  path,
  soft,
  table,
  time,
  title,
  trying,
} from "./parts.js";

async function connections(recipient) {
  const asking = form("Look", [["recipient", "Recipient", recipient]], ({ recipient: name }) =>
    go("connections", name),
  );
  if (!recipient) return [asking];
  const told = await ask(`recipients/${path(recipient)}/connections`);
  const end = (one) =>
    button("End", {
      danger: true,
      key: one.connection_id,
      question: "End this connection? Its client comes back; revoke to keep it out.",
      act: async () => {
        const { ended } = await ask(`connections/${path(one.connection_id)}`, { method: "DELETE" });
        return ended === "here" ? "Ended." : "The other gateways are told to end it.";
      },
    });
  const rows = told.items.map((one) => [
    time(one.opened_at),
    ...connectionCells(one),
    one.closed_at || one.open === false ? "" : end(one),
  ]);
  const labels = ["opened", "closed", "why", "transport", "gateway", "from cursor", "to cursor", "change"];
  return [asking, title(recipient, told.more ? "the newest" : ""), table(labels, rows, "No connection is known.")];
}

function connectionCells(one) {
  const state = { true: "open", false: "gateway died", null: "not known" }[one.open];
  const cursors = [one.resumed_from ?? one.opened_cursor, one.closed_cursor];
  return [one.closed_at ? time(one.closed_at) : state, one.closed_reason, one.transport, one.gateway, ...cursors];
}

async function deadLetters(reason) {
  const told = await ask(`dead-letters?limit=200&reason=${path(reason)}`);
  const change = (which, query, what) => [
    button("Replay", {
      question: `Publish ${what} again?`,
      act: async () => `${(await ask("dead-letters/replay", { method: "POST", body: which })).replayed} replayed.`,
    }),
    button("Purge", {
      danger: true,
      question: `Remove ${what} for good?`,
      act: async () => `${(await ask(`dead-letters?${query}`, { method: "DELETE" })).purged} removed.`,
    }),
  ];
  const body = el("pre", { hidden: true, tabIndex: 0 });
  const look = async (handle) => {
    const one = await ask(`dead-letters/${path(handle)}`);
    Object.assign(body, { textContent: one.body ?? `base64: ${one.body_base64}`, hidden: false });
    body.focus();
  };
  const byReason = Object.entries(told.reasons).map(([name, count]) => [
    link("dead-letters", name, name),
    number(count),
    change({ reason: name }, `reason=${path(name)}`, `all of ${name}`),
  ]);
  const rows = told.items.map((one) => [
    time(one.died_at),
    one.reason,
    one.detail,
    one.routing_key,
    [
      el("button", { type: "button", onclick: () => trying(() => look(one.handle)) }, "Show"),
      ...change({ handles: [one.handle] }, `handle=${path(one.handle)}`, `message ${one.handle}`),
    ],
  ]);
  return [
    title("By reason"),
    table(["reason", "messages", "change"], byReason, "There are no dead letters."),
    title("Messages", [reason && `refused as ${reason}`, told.more && "the oldest"].filter(Boolean).join(", ")),
    table(["refused", "reason", "what is wrong", "routing key", "change"], rows, "None."),
    body,
  ];
}

async function revocations() {
  const told = await ask("revocations?limit=200");
  const fields = [
    ["kind", "What", "", ["sub", "jti"]],
    ["value", "Subject, or id of the token"],
    ["reason", "Reason"],
  ];
  const revoke = async ({ kind, value, reason }) => {
    await ask("revocations", { method: "POST", body: { [kind]: value, reason } });
    changed(`Revoked: ${kind} ${value}.`);
  };
  const undo = (one) =>
    button("Undo", {
      question: "Let these tokens in again?",
      act: async () => {
        await ask(`revocations/${one.id}`, { method: "DELETE" });
        return "Undone.";
      },
    });
  const rows = told.items.map((one) => {
    const what = one.sub === undefined ? `token ${one.jti}` : `subject ${one.sub}`;
    return [time(one.at), what, one.reason, one.who, undo(one)];
  });
  return [
    title("Revoke", "all tokens of a subject that were issued until now, or one token"),
    form("Revoke", fields, revoke),
    title("In force"),
    table(["since", "what", "reason", "by", "change"], rows, "Nothing is revoked."),
  ];
}

async function trace(argument) {
  const [id = "", recipient = ""] = argument.split("\n");
  const fields = [
    ["id", "notification_id", id],
    ["recipient", "Recipient (may be empty)", recipient],
  ];
  const asking = form("Trace", fields, (given) => go("trace", `${given.id}\n${given.recipient}`));
  if (!id) return [asking];
  const told = await ask(`notifications/${path(id)}${recipient ? `?recipient_id=${path(recipient)}` : ""}`);
  return [
    asking,
    title(id, told.state.replace("_", " ")),
    ...told.items.flatMap(tracedItem),
    ...told.refused.map((one) =>
      el("p", { className: "bad" }, `Refused ${time(one.at)}: ${one.reason}. ${one.detail}`),
    ),
    ...told.unknown.map((what) => soft(`Not known: ${what}.`)),
  ];
}

function tracedItem(one) {
  const { accepted, received, read } = one;
  const labels = ["opened", "written", "closed", "why", "transport", "gateway", "from cursor", "to cursor"];
  const verdict = (seen) => seen.state.replace("_", " ") + (seen.why ? `: ${seen.why}` : "");
  return [
    cards([
      [one.topic === undefined ? "recipient" : "topic", one.topic ?? one.recipient_id],
      ["accepted", accepted ? `${accepted.way}, ${time(accepted.at)}` : "not known"],
      ["cursor", one.cursor],
      ["committed", time(one.committed_at)],
      ["the client went on past it", received ? `${time(received.at)}, ${received.cursor}` : "no proof yet"],
      ["marked as read", read ? time(read.at) : "no"],
    ]),
    table(
      labels,
      one.connections.map((seen) => [time(seen.opened_at), verdict(seen), ...connectionCells(seen)]),
      "No connection.",
    ),
  ];
}

async function audit(before_) {
  const told = await ask(`audit?limit=100${before_ ? `&before=${path(before_)}` : ""}`);
  const rows = told.items.map((one) => [
    time(one.at),
    one.who,
    one.address,
    one.action,
    one.target,
    JSON.stringify(one.details),
  ]);
  const labels = ["when", "who", "from", "what", "to what", "details"];
  return [
    table(labels, rows, "Nothing was changed yet."),
    told.more ? link("audit", String(told.items.at(-1).id), "Older") : null,
  ];
}

async function settings() {
  const told = await ask("settings");
  const row = (one) => [one.name, one.value || "–", one.source, one.default, one.description.replaceAll("`", "")];
  const labels = ["setting", "value", "from", "default", "what it is"];
  return [
    soft(`Of ${told.gateway || "the process that answers"}; secrets are hidden.`),
    table(labels, told.items.map(row), ""),
  ];
}

/** By the name in the address: what the view is called, and what makes it. */
export const VIEWS = {
  overview: ["Overview", overview],
  connections: ["Connections", connections],
  "dead-letters": ["Dead letters", deadLetters],
  revocations: ["Revocations", revocations],
  trace: ["Trace", trace],
  audit: ["Audit log", audit],
  settings: ["Settings", settings],
};
