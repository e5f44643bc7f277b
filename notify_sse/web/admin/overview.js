// The first view: every gateway, rates and latency, who holds most streams, limits hit, and the newest resets.

import { ask, byId, cards, el, link, number, soft, table, time, title } from "./parts.js";
import { all, curves, p95, rateOf } from "./rates.js";

export async function overview() {
  const [told, held] = await Promise.all([ask("overview"), ask("streams")]);
  badge(told);
  const gateways = told.gateways ?? [];
  const up = gateways.filter((one) => one.state === "up");
  const sum = all(up.map(rateOf), told.delivered_within_s);
  const none = told.gateways ? "No gateway keeps a journal (NOTIFY_SSE_JOURNAL)." : "The database is away.";
  const streams = up.reduce((all_, one) => all_ + one.streams, 0);
  return [
    cards([
      ["head of the log", told.cursor ?? "not known"],
      ["ingest queue", number(told.queues?.ingest)],
      ["dead letters", number(told.queues?.dead)],
      ["streams", number(told.gateways?.length ? streams : told.streams)],
    ]),
    title("Gateways", "the lag is how many events they are behind the log"),
    gatewayTable(gateways, told.delivered_within_s, none),
    title("Live", "of all gateways that are up"),
    ...(sum ? live(sum) : [soft("Rates: a moment…")]),
    title("Who holds most streams", held.complete ? "of all gateways" : `of ${held.gateway || "this process"} only`),
    table(
      ["recipient", "streams"],
      held.items.map((one) => [link("connections", one.recipient_id, one.recipient_id), number(one.streams)]),
      "Nobody is connected.",
    ),
    title("Limits hit", "refused since each gateway began"),
    limits(gateways),
    title("Recent resets", "clients that were told that they may have missed something"),
    resets(told.resets ?? []),
  ];
}

function badge(told) {
  const text = told.ready ? ["ready", ...told.degraded.map((what) => `${what} away`)] : [`not ready: ${told.reason}`];
  Object.assign(byId("badge"), { textContent: text.join(", "), hidden: false });
  byId("badge").className = `badge ${text.length === 1 && told.ready ? "good" : "bad"}`;
}

function gatewayTable(gateways, bounds, none) {
  const labels = ["gateway", "version", "state", "streams", "lag", "written / s", "95 % within", "last beat", "epoch"];
  const rows = gateways.map((one) => {
    const rate = one.state === "up" ? rateOf(one) : null;
    return [
      one.gateway,
      one.version,
      el("span", { className: { up: "good", silent: "bad", stopped: "soft" }[one.state] }, one.state),
      number(one.streams),
      number(one.lag),
      number(rate?.written),
      rate ? p95(rate.delivered, bounds) : "–",
      `${one.age_s} s ago`,
      one.epoch || "–",
    ];
  });
  return table(labels, rows, none);
}

function live(sum) {
  return [
    curves(),
    cards([
      ["stored / s", number(sum.stored)],
      ["written / s", number(sum.written)],
      ["95 % written within", sum.p95],
      ["opened / s", number(sum.opened)],
      ["closed / s", number(sum.closed)],
      ["resets / s", number(sum.resets)],
      ["over a limit / s", number(sum.limited)],
    ]),
  ];
}

function limits(gateways) {
  const hit = new Map();
  for (const { figures } of gateways) {
    for (const [limit, count] of Object.entries(figures.limited)) hit.set(limit, (hit.get(limit) ?? 0) + count);
  }
  const rows = [...hit].filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  return table(
    ["limit", "refused"],
    rows.map(([limit, count]) => [limit, number(count)]),
    "No limit was hit.",
  );
}

function resets(told) {
  const rows = told.map((one) => [
    time(one.at),
    link("connections", one.recipient_id, one.recipient_id),
    one.reason,
    one.gateway,
  ]);
  return table(["when", "recipient", "reason", "gateway"], rows, "No client was told of a reset.");
}
