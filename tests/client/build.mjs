// Builds notify_sse/client/notify-sse.js, the one small file that pages load, from notify_sse/client/src/. What is
// loaded only when it is needed (fallbacks, sharing between tabs, history) stays as it is in src/.
// `node build.mjs` writes it; `node build.mjs --check` fails when it is not what src/ gives.
import { readFile, writeFile } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const CLIENT = fileURLToPath(new URL("../../notify_sse/client/", import.meta.url));
const BANNER = "// notify-sse, MIT. Built from src/ (tests/client/build.mjs): change it there.";
const TARGET = `${CLIENT}notify-sse.js`;

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

export async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [`${CLIENT}src/notify-sse.js`],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    banner: { js: BANNER },
    plugins: [lazyModulesStay],
  });
  return outputFiles[0].text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await bundle();
  if (!process.argv.includes("--check")) await writeFile(TARGET, text);
  else if (text !== (await readFile(TARGET, "utf8"))) {
    console.error("notify_sse/client/notify-sse.js is not what src/ gives: run `npm run build` in tests/client");
    process.exit(1);
  }
}
