// The documentation: what is documented is all there is, and what it shows compiles.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const reference = readFileSync(at("../../docs/reference/browser-client.md"), "utf8");
const types = readFileSync(at("../../notify_sse/client/notify-sse.d.ts"), "utf8");

/** The names that the interface or class `name` declares. */
function members(name) {
  const [, body] = types.match(new RegExp(`(?:interface|class) ${name}\\b[^{]*{([\\s\\S]*?)\\n}`));
  return [...new Set([...body.matchAll(/^ {2}(?:readonly )?(\w+)(?=[?<(:])/gm)].map(([, member]) => member))];
}

for (const name of ["ManagerOptions", "ConnectionState", "HistoryQuery", "NotificationConnectionManager"]) {
  test(`every member of ${name} is in the reference`, () => {
    const declared = members(name).filter((member) => member !== "constructor");
    assert.ok(declared.length >= 5);
    for (const member of declared) assert.match(reference, new RegExp(`\`[^\`]*\\b${member}\\b[^\`]*\``), member);
  });
}

test("what the how-tos show compiles", () => {
  const folder = at("node_modules/.notify-sse-docs/");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const guides = ["frameworks", "next-and-native"].map((name) =>
    readFileSync(at(`../../docs/how-to/${name}.md`), "utf8"),
  );
  const blocks = [...guides.join("\n").matchAll(/```tsx?\n\/\/ (\S+)\n([\s\S]*?)```/g)];
  assert.equal(blocks.length, 15);
  for (const [, name, code] of blocks) writeFileSync(folder + name, code);
  const next = "export function cookies(): Promise<{ get(name: string): { value: string } | undefined }>;";
  writeFileSync(`${folder}next.d.ts`, `declare module "next/headers" { ${next} }`);
  const compilerOptions = { jsx: "react-jsx", typeRoots: [], types: [] };
  writeFileSync(
    `${folder}tsconfig.json`,
    JSON.stringify({ extends: at("tsconfig.json"), compilerOptions, include: ["*"] }),
  );
  try {
    execFileSync(at("node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout);
  }
});

test("every example of a manager names its user: without one, tabs share nothing", () => {
  const pages = readdirSync(at("../../docs"), { recursive: true }).filter((name) => name.endsWith(".md"));
  const types = readdirSync(at("../../notify_sse/client"), { recursive: true }).filter((name) =>
    name.endsWith(".d.ts"),
  );
  const files = [
    ...["../../README.md", "../../notify_sse/client/README.md", "../../notify_sse/demo/demo.html"],
    ...pages.map((name) => `../../docs/${name}`),
    ...types.map((name) => `../../notify_sse/client/${name}`),
  ];
  const made = /(?:NotificationConnectionManager|createNotifications)(?:<[^(]*>)?\(\s*(\{[\s\S]*?\})\s*[,)]/g;
  const examples = files.flatMap((file) =>
    [...readFileSync(at(file), "utf8").matchAll(made)].map(([text]) => [file, text]),
  );
  assert.ok(examples.length >= 10);
  assert.deepEqual(
    examples.filter(([, text]) => !/\buser\b/.test(text)),
    [],
  );
});
