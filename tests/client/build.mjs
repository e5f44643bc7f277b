// Builds from notify_sse/client/src/ the two files that users load: notify-sse.js, the core, and notify-sse-worker.js, the
// SharedWorker. What the core loads only when it is needed (fallbacks, sharing between tabs, history) stays as it is in src/.
// The worker is a classic script in one file: no bundler has to split it, and one that only copies it does no harm.
// `node build.mjs` writes them, with their source maps; `node build.mjs --check` fails when they are not what src/ gives.
import { readFile, writeFile } from "node:fs/promises";
import { basename, dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";

const CLIENT = fileURLToPath(new URL("../../notify_sse/client/", import.meta.url));
const BANNER = "// notify-sse, MIT. Built from src/";

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
  const built = await Promise.all(BUILDS.map(buildOne));
  return Object.assign({}, ...built);
}

/**
 * One file and its source map. esbuild puts the modules together, terser makes the result small: some 250 bytes smaller, gzipped,
 * than what esbuild alone makes of the core.
 *
 * @param {object} options of esbuild
 */
async function buildOne(options) {
  const { outputFiles } = await build({ ...COMMON, ...options });
  const name = basename(options.outfile);
  const textOf = (suffix) => outputFiles.find(({ path }) => path.endsWith(suffix)).text;
  const { code, map } = await minify(
    { [name]: textOf(".js") },
    {
      module: options.format === "esm",
      ecma: 2020,
      compress: { passes: 6, sequences: false, hoist_funs: true, unsafe_arrows: true, unsafe_methods: true },
      format: { preamble: BANNER },
      sourceMap: { content: textOf(".map"), url: `${name}.map` },
    },
  );
  return { [name]: `${code}\n`, [`${name}.map`]: `${map}\n` };
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
