/**
 * What sinks cost beside the tools that their databases come with.
 *
 *     bun bench/sinks.ts [postgres]
 *
 * Each kind of sink has a bench of its own, sink-….ts, which can be run alone.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const KINDS = ["postgres"];

const wanted = process.argv.slice(2);
for (const kind of wanted.length > 0 ? wanted : KINDS) {
  const { status } = spawnSync(process.execPath, [join(import.meta.dir, `sink-${kind}.ts`)], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
