// Resolves the modules of k6 to the stand-ins.
const NAMED = { k6: "check", "k6/metrics": "Trend, Counter" };
const DEFAULT = {
  "k6/crypto": "crypto",
  "k6/encoding": "encoding",
  "k6/execution": "exec",
  "k6/http": "http",
  "k6/x/sse": "sse",
};
const STAND_INS = new URL("./stand_ins.mjs", import.meta.url).href;

export async function resolve(specifier, context, nextResolve) {
  if (!(specifier in NAMED || specifier in DEFAULT)) return nextResolve(specifier, context);
  const what = NAMED[specifier] ?? `${DEFAULT[specifier]} as default`;
  const text = `export { ${what} } from ${JSON.stringify(STAND_INS)};`;
  return { url: `data:text/javascript,${encodeURIComponent(text)}`, shortCircuit: true };
}

// k6 takes its scripts as modules whatever their names say.
export async function load(url, context, nextLoad) {
  return nextLoad(url, url.includes("/deploy/k6/") ? { ...context, format: "module" } : context);
}
