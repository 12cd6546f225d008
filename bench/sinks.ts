/**
 * What sinks cost beside the tools that their databases come with.
 *
 *     bun bench/sinks.ts [postgres] [--ledgers 400] [--rounds 3]
 *
 * Each kind of sink is a program of its own in bench/sinks, which takes the same flags.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const KINDS = ["postgres"];

const words = process.argv.slice(2);
const wanted = KINDS.filter((kind) => words.includes(kind));
const flags = words.filter((word) => !KINDS.includes(word));
for (const kind of wanted.length > 0 ? wanted : KINDS) {
  const program = join(import.meta.dir, "sinks", `${kind}.ts`);
  const { status } = spawnSync(process.execPath, [program, ...flags], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
