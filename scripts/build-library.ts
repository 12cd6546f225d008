/**
 * Makes dist/lib: src/index.ts and src/sinks/index.ts as ES modules for Node 20, with type declarations beside them. Bun
 * imports the sources themselves. Packages stay outside of the module, so that its record batches are those of the importer's apache-arrow.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const place = join(root, "dist", "lib");
const out = `${place}.${process.pid}`; // it takes its place when it is whole: others may be reading the one before
const DOORS = ["src/index.ts", "src/sinks/index.ts"];

function run(command: string[]): void {
  const { status, stdout, stderr } = spawnSync(command[0]!, command.slice(1), { cwd: root, encoding: "utf8" });
  if (status === 0) return;
  rmSync(out, { recursive: true, force: true });
  process.stderr.write(`${stdout}${stderr}`);
  process.exit(status ?? 1);
}

mkdirSync(out, { recursive: true });
run([
  process.execPath,
  "build",
  ...DOORS,
  "--splitting", // one CodedError for both
  "--root=src",
  "--target=node",
  "--format=esm",
  "--packages=external",
  `--outdir=${out}`,
]);
run([
  "node_modules/.bin/tsc",
  ...["--ignoreConfig", "--declaration", "--emitDeclarationOnly", "--outDir", out, "--rootDir", "src"],
  ...["--target", "esnext", "--module", "esnext", "--moduleResolution", "bundler", "--skipLibCheck"],
  ...["--allowImportingTsExtensions", "--rewriteRelativeImportExtensions", "--types", "bun-types", "--strict"],
  ...DOORS,
]);
rmSync(place, { recursive: true, force: true });
renameSync(out, place);
console.log(`${place}: index.js, sinks/index.js and their declarations`);
