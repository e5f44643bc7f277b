// What the metrics tell: rates and latency, between two looks at them.

import { cards, HERE, number, soft } from "./parts.js";

let before = null;

/** The samples of the Prometheus text format, by name with labels. */
function samples(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const place = line.lastIndexOf(" ");
    if (line[0] !== "#" && place > 0) found.set(line.slice(0, place), Number(line.slice(place + 1)));
  }
  return found;
}

function grown(now, earlier, prefix) {
  let sum = 0;
  for (const [name, value] of now) {
    if (name === prefix || name.startsWith(`${prefix}{`)) sum += value - (earlier.get(name) ?? 0);
  }
  return sum;
}

/** Below how many seconds 95 % of what was delivered between the two looks was written: a bound of the histogram. */
function p95(now, earlier) {
  const bounds = [];
  for (const [name, value] of now) {
    const found = /^notify_sse_delivery_seconds_bucket\{.*le="([^"]+)".*\}$/.exec(name);
    if (found && name.includes('since="committed"')) {
      bounds.push([Number(found[1].replace("+Inf", "Infinity")), value - (earlier.get(name) ?? 0)]);
    }
  }
  bounds.sort((a, b) => a[0] - b[0]);
  const all = bounds.at(-1)?.[1] ?? 0;
  const bound = bounds.find(([, count]) => count >= all * 0.95)?.[0];
  return all > 0 ? `≤ ${number(bound * 1000)} ms` : "–";
}

/** Cards with what happened since the last look. */
export async function rates() {
  const answer = await fetch(new URL("metrics", HERE), { credentials: "omit", cache: "no-store" });
  const now = { at: performance.now(), samples: samples(answer.ok ? await answer.text() : "") };
  const last = before;
  before = now;
  if (!last) return soft("Rates: a moment…");
  const seconds = (now.at - last.at) / 1000;
  const rate = (name) => number(Math.round((10 * grown(now.samples, last.samples, name)) / seconds) / 10);
  return cards([
    ["stored / s", rate("notify_sse_appended_total")],
    ["written / s", rate("notify_sse_frames_sent_total")],
    ["95 % written after commit", p95(now.samples, last.samples)],
    ["slow readers", number(now.samples.get("notify_sse_slow_readers"))],
    ["opened / s", rate("notify_sse_streams_opened_total")],
    ["closed / s", rate("notify_sse_streams_closed_total")],
    ["resets / s", rate("notify_sse_resets_total")],
    ["over a limit / s", rate("notify_sse_limited_total")],
  ]);
}
