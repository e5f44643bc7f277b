// What is published: its size, its types, and that it needs nothing else.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { bundle } from "./build.mjs";

const CLIENT = fileURLToPath(new URL("../../notify_sse/client/", import.meta.url));
/** Another zlib makes it some 30 bytes larger than that of Node: it stays below 6,144 with each. */
const MAX_CORE_BYTES = 6100;
const read = (name) => readFileSync(CLIENT + name, "utf8");
const manifest = JSON.parse(read("package.json"));
const installed = (name) => fileURLToPath(new URL(`node_modules/notify-sse/${name}`, import.meta.url));
/** What users import: the core, the views and the ties to frameworks. */
const modules = ["notify-sse.js", ...modulesIn("views"), ...modulesIn("frameworks")];

function modulesIn(folder) {
  const names = readdirSync(CLIENT + folder).filter((name) => name.endsWith(".js"));
  return names.map((name) => `${folder}/${name}`);
}

/** The modules that `name` loads before it runs. */
function eager(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  const imports = read(name).matchAll(/(?:^|[;}\n])\s*(?:import|export)\b[^"'()]*?["'](\.{1,2}\/[^"']+)["']/g);
  for (const [, path] of imports) eager(new URL(path, `file:///${name}`).pathname.slice(1), found);
  return found;
}

test("the core client is at most 6 KB gzipped, with all that it loads", (t) => {
  const files = [...eager("notify-sse.js")];
  const bytes = files.reduce((sum, name) => sum + gzipSync(read(name), { level: 9 }).length, 0);
  t.diagnostic(`core client: ${bytes} bytes gzipped in ${files.length} file(s)`);
  assert.ok(bytes <= MAX_CORE_BYTES, `${bytes} bytes`);
});

test("the measure of what is loaded follows imports", () => {
  assert.ok(eager("src/notify-sse.js").has("src/steps.js"));
  assert.ok(eager("frameworks/redux.js").has("views/bursts.js"));
});

test("the built files are what src/ gives, with source maps that name files of the package", async () => {
  const built = await bundle();
  assert.deepEqual(Object.keys(built).sort(), [
    "notify-sse-worker.js",
    "notify-sse-worker.js.map",
    "notify-sse.js",
    "notify-sse.js.map",
  ]);
  for (const [name, text] of Object.entries(built)) {
    assert.equal(read(name), text, name);
    if (!name.endsWith(".map")) continue;
    for (const source of JSON.parse(text).sources) assert.ok(existsSync(installed(source)), source);
  }
});

test("the worker is one file: no bundler has to split it, and it runs as a classic script", () => {
  assert.doesNotMatch(read("notify-sse-worker.js"), /\bimport\b|\bexport\b/);
});

test("React's tie says that it is for the browser, before anything else", () => {
  const [first] = read("frameworks/react.js")
    .replace(/^\/\/.*\n/gm, "")
    .trimStart()
    .split("\n");
  assert.equal(first, '"use client";');
});

for (const tag of ["notify-status", "notify-inbox", "notify-devtools"]) {
  test(`the manifest says of <${tag}> what the code has`, () => {
    const { modules } = JSON.parse(read("custom-elements.json"));
    const module = modules.find(({ path }) => path === `views/${tag}.js`);
    const [element] = module.declarations;
    const code = read(module.path) + (tag === "notify-inbox" ? modulesIn("src/inbox").map(read).join("") : "");
    const names = (list) => list.map(({ name }) => name).sort();
    const found = (pattern) => [...new Set([...code.matchAll(pattern)].flatMap(([, name]) => name.split(" ")))].sort();
    const parts = found(/part: (?:isUnread \? )?"([\w -]+)"/g);
    const observed = found(/observedAttributes = \["(\w+)"\]/g);
    const asked = found(/this\.(?:has|get)Attribute\("(\w+)"/g);
    assert.equal(`./${module.path}`, manifest.exports[`./${tag}`].default);
    assert.ok(manifest.sideEffects.includes(`./${module.path}`));
    assert.deepEqual(names(element.cssParts), parts);
    assert.deepEqual(names(element.cssProperties), found(/var\((--notify[\w-]+)/g));
    assert.deepEqual(names(element.attributes), [...new Set([...observed, ...asked])].sort());
    assert.deepEqual(names(element.members), found(/^ {2}set (\w+)\(/gm));
    assert.deepEqual(names(element.events), found(/new (?:Custom)?Event\("(\w+)"/g));
  });
}

/** How large a bundler makes `name` with all that it loads, gzipped. */
async function bundled(name) {
  const options = { bundle: true, minify: true, write: false, format: "esm", logLevel: "error" };
  const [{ contents }] = (await build({ ...options, entryPoints: [CLIENT + name] })).outputFiles;
  return gzipSync(contents, { level: 9 }).length;
}

test("the inbox is at most 12 KB gzipped beside the core, as a bundler makes it of all that it loads", async (t) => {
  const bytes = await bundled("views/notify-inbox.js");
  t.diagnostic(`inbox: ${bytes} bytes gzipped`);
  assert.ok(bytes <= 12288, `${bytes} bytes`);
});

/** The rows of the table of sizes, with what each is of. */
const SIZES = {
  "the core": ["notify-sse.js"],
  "later, when a stream is up or something goes wrong": ["src/trouble.js"],
  "later, with sharing between tabs": ["src/tabs/share.js", "notify-sse-worker.js"],
  "the store, with read state": ["views/store.js"],
  "the badge": ["views/badge.js"],
  "the banner": ["views/notify-status.js"],
  "the inbox, with the store": ["views/notify-inbox.js"],
  "the panel for developers": ["views/notify-devtools.js"],
};

test("the sizes that the guide names are true within 2 %", async () => {
  const guide = readFileSync(new URL("../../docs/how-to/browser-builds.md", import.meta.url), "utf8");
  const [, table] = guide.split("## Sizes");
  const rows = Object.fromEntries([...table.matchAll(/^\| ([^|]+) \| ([^|]*\d[^|]*) \|$/gm)].map(([, ...row]) => row));
  assert.deepEqual(Object.keys(rows), Object.keys(SIZES));
  for (const [row, names] of Object.entries(SIZES)) {
    const told = rows[row].match(/[\d,]+\d/g).map((number) => Number(number.replace(",", "")));
    assert.equal(told.length, names.length, row);
    for (const [at, name] of names.entries()) {
      const isBuilt = name.startsWith("notify-sse");
      const bytes = isBuilt ? gzipSync(read(name), { level: 9 }).length : await bundled(name);
      assert.ok(Math.abs(told[at] / bytes - 1) <= 0.02, `${row}: ${told[at]}, and it is ${bytes}`);
    }
  }
});

test("what the package says of itself leads somewhere", () => {
  for (const name of [manifest.main, manifest.types, manifest.unpkg, manifest.jsdelivr, manifest.customElements])
    assert.ok(existsSync(installed(name)), name);
  assert.match(manifest.homepage, /^https:/);
  const links = [...read("README.md").matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target);
  for (const target of links) assert.match(target, /^https:/, "npm shows it on another site");
});

test("no dependency; frameworks are optional peers, and only their own tie imports them", () => {
  assert.equal(manifest.dependencies, undefined);
  for (const peer of Object.keys(manifest.peerDependencies))
    assert.equal(manifest.peerDependenciesMeta[peer].optional, true);
  for (const name of modules) {
    const bare = [...read(name).matchAll(/from ["']([^."'][^"']*)["']/g)].map(
      ([, specifier]) => specifier.split("/")[0],
    );
    for (const specifier of bare) assert.equal(`frameworks/${specifier}.js`, name);
  }
});

test("every entry of the exports map is in the package, with its types", () => {
  const entries = Object.values(manifest.exports).filter((entry) => typeof entry === "object");
  assert.equal(entries.length, 12);
  for (const { types, default: module } of entries)
    assert.ok(existsSync(installed(types)) && existsSync(installed(module)));
  const files = Object.values(manifest.exports).filter((entry) => typeof entry === "string");
  for (const file of files) assert.ok(existsSync(installed(file)), file);
});

test("the types name exactly what the modules export", async () => {
  for (const name of modules) {
    const types = read(name.replace(/\.js$/, ".d.ts"));
    const declared = [...types.matchAll(/export declare (?:const|function|class) (\w+)/g)].map(([, found]) => found);
    const exported = Object.keys(await import(installed(name)));
    assert.deepEqual([...new Set(declared)].sort(), exported.sort(), name);
  }
});

test("users import it by its name", async () => {
  const { NotificationConnectionManager } = await import("notify-sse");
  assert.equal(
    new NotificationConnectionManager({ url: "http://x/notifications/" }).options.url,
    "http://x/notifications",
  );
});

test("CommonJS requires it in Node from 20.19 and 22.12, and gets the same classes as an import", async () => {
  const required = createRequire(import.meta.url)("notify-sse");
  assert.equal(required.NotificationConnectionManager, (await import("notify-sse")).NotificationConnectionManager);
  const { createNotificationStore } = createRequire(import.meta.url)("notify-sse/store");
  assert.equal(createNotificationStore, (await import("notify-sse/store")).createNotificationStore);
});
