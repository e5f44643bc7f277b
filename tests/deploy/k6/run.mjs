// Runs a k6 script: `node run.mjs <script> NAME=value …`. Prints the metrics as JSON; ends with 99 when a threshold is crossed, as
// k6 does. Knows the two executors that the scripts use. Without values it starts no user: it prints the options, and what is missing.
import { once } from "node:events";
import { register } from "node:module";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

register(new URL("./hooks.mjs", import.meta.url));
const script = isMainThread ? process.argv[2] : workerData.script;
globalThis.__ENV = isMainThread
  ? Object.fromEntries(process.argv.slice(3).map((text) => text.split(/=(.*)/s, 2)))
  : workerData.env;
const { current, recorded } = await import("./stand_ins.mjs");
const module = await import(new URL(script, "file:///"));

const seconds = (text) => Number(text.replace(/s$/, ""));
const pause = (s) => new Promise((resolve) => setTimeout(resolve, s * 1000));

// In a thread: one virtual user. All are there before the test begins, as in k6; then each starts at its time, and runs its
// iterations.
async function virtualUser({ exec, startTime, iterations, everyS }) {
  parentPort.postMessage("ready");
  const [data] = await once(parentPort, "message");
  await pause(startTime);
  const began = performance.now();
  for (const [turn, iteration] of iterations.entries()) {
    await pause(Math.max(0, turn * everyS - (performance.now() - began) / 1000));
    current.iteration = iteration;
    module[exec](data);
  }
  parentPort.postMessage(recorded);
}

function workers(scenario) {
  const base = { script, env: globalThis.__ENV, exec: scenario.exec, startTime: seconds(scenario.startTime ?? "0s") };
  if (scenario.executor === "per-vu-iterations") {
    return Array.from({ length: scenario.vus }, (_, vu) => ({ ...base, iterations: [vu], everyS: 0 }));
  }
  if (scenario.executor === "constant-arrival-rate") {
    const count = Math.round(scenario.rate * seconds(scenario.duration));
    const iterations = Array.from({ length: count }, (_, turn) => turn);
    return [{ ...base, iterations, everyS: seconds(scenario.timeUnit) / scenario.rate }];
  }
  throw new Error(`no stand-in for the executor ${scenario.executor}`);
}

function holds(metric, threshold, all) {
  const [, what, sign, limit] = threshold.match(/^(p\(\d+\)|count|rate)(<|>|==)([\d.]+)$/);
  let value;
  if (what === "count") value = all.counters[metric] ?? 0;
  else if (what === "rate") value = all.checks.filter(({ passed }) => passed).length / all.checks.length;
  else {
    const ordered = (all.trends[metric] ?? []).toSorted((a, b) => a - b);
    value = ordered[Math.min(ordered.length - 1, Math.floor((ordered.length * Number(what.slice(2, -1))) / 100))];
  }
  return { "<": value < Number(limit), ">": value > Number(limit), "==": value === Number(limit) }[sign];
}

function withoutValues() {
  try {
    module.setup();
  } catch (error) {
    console.log(JSON.stringify({ options: module.options, missing: error.message }));
  }
}

async function main() {
  const all = { trends: {}, counters: {}, checks: [] };
  const given = Object.values(module.options.scenarios).flatMap(workers);
  const users = given.map((workerData) => new Worker(new URL(import.meta.url), { workerData }));
  await Promise.all(users.map((user) => once(user, "message")));
  const data = module.setup();
  for (const user of users) user.postMessage(data);
  for (const [{ trends, counters, checks }] of await Promise.all(users.map((user) => once(user, "message")))) {
    for (const [name, values] of Object.entries(trends)) (all.trends[name] ??= []).push(...values);
    for (const [name, value] of Object.entries(counters)) all.counters[name] = (all.counters[name] ?? 0) + value;
    all.checks.push(...checks);
  }
  await Promise.all(users.map((user) => user.terminate()));
  const crossed = Object.entries(module.options.thresholds).flatMap(([metric, thresholds]) =>
    thresholds.filter((threshold) => !holds(metric, threshold, all)).map((threshold) => `${metric}: ${threshold}`),
  );
  console.log(JSON.stringify({ counters: all.counters, crossed, checks: all.checks.length }));
  process.exitCode = crossed.length ? 99 : 0;
}

if (isMainThread && process.argv.length === 3) withoutValues();
else if (isMainThread) await main();
else await virtualUser(workerData);
