// Rates and latency: how the figures of the gateways grew between two of their beats; and their course over the last looks.

import { el, number } from "./parts.js";

const KEPT = 90;
const WIDTH = 180;
const HEIGHT = 40;
const SVG = "http://www.w3.org/2000/svg";
const seen = new Map();
const course = [];

const total = (value) => (typeof value === "number" ? value : Object.values(value).reduce((a, b) => a + b, 0));

/** What a gateway did a second between its last two beats that were seen; null when there was one only. */
export function rateOf(one) {
  const at = Date.parse(one.beat_at);
  const last = seen.get(one.gateway);
  if (!last || at > last.at) {
    const rate = last ? grown(one.figures, last.figures, (at - last.at) / 1000) : null;
    seen.set(one.gateway, { at, figures: one.figures, rate });
  }
  return seen.get(one.gateway).rate;
}

function grown(now, before, seconds) {
  const rate = { delivered: now.delivered.map((count, place) => count - (before.delivered[place] ?? 0)) };
  for (const name of ["stored", "written", "opened", "closed", "limited", "resets"]) {
    rate[name] = Math.round((10 * (total(now[name]) - total(before[name]))) / seconds) / 10;
  }
  return rate;
}

/** Within how much time 95 % of the deliveries were written: a bound of the histogram, in seconds; null without any. */
function within(delivered, bounds) {
  const sum = total(delivered);
  let passed = 0;
  const place = delivered.findIndex((count) => {
    passed += count;
    return passed >= sum * 0.95;
  });
  return sum ? (bounds[place] ?? Number.POSITIVE_INFINITY) : null;
}

export function p95(delivered, bounds) {
  const found = within(delivered, bounds);
  if (found === null) return "–";
  return found === Number.POSITIVE_INFINITY ? `> ${number(bounds.at(-1))} s` : `${number(found * 1000)} ms`;
}

/** The rates of several gateways as one; null when none is known yet. Remembers them for the curves. */
export function all(rates, bounds) {
  const known = rates.filter((one) => one !== null);
  if (!known.length) return null;
  const sum = known.reduce((a, b) => {
    const delivered = (place) => (a.delivered[place] ?? 0) + (b.delivered[place] ?? 0); // a version before tells none
    const both = { delivered: Array.from({ length: bounds.length + 1 }, (_, place) => delivered(place)) };
    for (const name of Object.keys(b)) if (name !== "delivered") both[name] = a[name] + b[name];
    return both;
  });
  course.push({ written: sum.written, late: Math.min(within(sum.delivered, bounds) ?? 0, bounds.at(-1)) });
  if (course.length > KEPT) course.shift();
  return { ...sum, p95: p95(sum.delivered, bounds) };
}

/** The course of what was written, and of the latency. */
export function curves() {
  const peak = (name) => Math.max(...course.map((one) => one[name]));
  return el(
    "div",
    { className: "curves" },
    curve("written", `written / s, at most ${number(peak("written"))}`),
    curve("late", `95 % written within, at most ${number(peak("late") * 1000)} ms`),
  );
}

function curve(name, caption) {
  const highest = Math.max(...course.map((one) => one[name])) || 1;
  const points = course.map((one, place) => {
    const x = WIDTH - (course.length - 1 - place) * (WIDTH / KEPT);
    return `${x.toFixed(1)},${(HEIGHT - 2 - (one[name] / highest) * (HEIGHT - 4)).toFixed(1)}`;
  });
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.join(" "));
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  drawn.setAttribute("preserveAspectRatio", "none");
  drawn.setAttribute("aria-hidden", "true");
  drawn.append(line);
  return el("figure", {}, drawn, el("figcaption", {}, caption));
}
