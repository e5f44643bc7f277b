// Puts the client into node_modules/ as users get it: packed by npm, unpacked again.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CLIENT = fileURLToPath(new URL("../../notify_sse/client/", import.meta.url));
const INSTALLED = fileURLToPath(new URL("node_modules/notify-sse/", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "notify-sse-pack-"));
try {
  execFileSync("npm", ["pack", CLIENT, "--pack-destination", folder, "--silent"]);
  rmSync(INSTALLED, { recursive: true, force: true });
  mkdirSync(INSTALLED, { recursive: true });
  execFileSync("sh", ["-c", `tar -xzf "$1"/*.tgz -C "$2" --strip-components=1`, "sh", folder, INSTALLED]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
