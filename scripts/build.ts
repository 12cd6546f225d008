/**
 * Makes dist/contract-data-processor: one file with Bun, the workers and the sample lake inside.
 *
 * `@napi-rs/nice` is an optional native package of Piscina's that is not used here; it cannot be bundled.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const outfile = join(root, "dist", "contract-data-processor");

mkdirSync(join(root, "dist"), { recursive: true });
const built = spawnSync(
  process.execPath,
  [
    "build",
    "--compile",
    "--minify",
    "--no-compile-autoload-dotenv", // the folder that it is started in is not its configuration …
    "--no-compile-autoload-bunfig", // … and a bunfig.toml there could preload code
    "--external",
    "@napi-rs/nice",
    "src/main.ts",
    "src/worker-host.ts",
    "src/data-plane-host.ts",
    "--outfile",
    outfile,
  ],
  { cwd: root, encoding: "utf8" },
);
if (built.status !== 0) {
  process.stderr.write(`${built.stdout}${built.stderr}`);
  process.exit(built.status ?? 1);
}
console.log(`${outfile} (${(statSync(outfile).size / 1e6).toFixed(0)} MB)`);
