// Builds from notify_sse/client/src/ the two files that users load: notify-sse.js, the core, and notify-sse-worker.js, the
// SharedWorker. What the core loads only when it is needed (fallbacks, sharing between tabs, history) stays as it is in src/.
// The worker is a classic script in one file: no bundler has to split it, and one that only copies it does no harm.
// `node build.mjs` writes them, with their source maps; `node build.mjs --check` fails when they are not what src/ gives.
import { readFile, writeFile } from "node:fs/promises";
import { basename, dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const CLIENT = fileURLToPath(new URL("../../notify_sse/client/", import.meta.url));
const BANNER = "// notify-sse, MIT. Built from src/ (tests/client/build.mjs): change it there.";

/** A module that is imported dynamically is not taken in: its path is rewritten to where it lies. */
const lazyModulesStay = {
  name: "lazy-modules-stay",
  setup({ onResolve }) {
    onResolve({ filter: /./ }, ({ kind, path, importer }) => {
      if (kind !== "dynamic-import") return null;
      return { path: `./${relative(CLIENT, resolve(dirname(importer), path))}`, external: true };
    });
  },
};

const COMMON = {
  bundle: true,
  minify: true,
  write: false,
  target: "es2022",
  sourcemap: "linked",
  sourcesContent: false, // src/ is in the package
  banner: { js: BANNER },
};

const BUILDS = [
  {
    entryPoints: [`${CLIENT}src/notify-sse.js`],
    outfile: `${CLIENT}notify-sse.js`,
    plugins: [lazyModulesStay],
    format: "esm",
  },
  { entryPoints: [`${CLIENT}src/tabs/worker.js`], outfile: `${CLIENT}notify-sse-worker.js`, format: "iife" },
];

/** The built files: name → text. */
export async function bundle() {
  const built = await Promise.all(BUILDS.map((options) => build({ ...COMMON, ...options })));
  const files = built.flatMap(({ outputFiles }) => outputFiles);
  return Object.fromEntries(files.map(({ path, text }) => [basename(path), text]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(await bundle())) {
    if (!process.argv.includes("--check")) await writeFile(CLIENT + name, text);
    else if (text !== (await readFile(CLIENT + name, "utf8"))) {
      console.error(`notify_sse/client/${name} is not what src/ gives: run \`npm run build\` in tests/client`);
      process.exitCode = 1;
    }
  }
}
