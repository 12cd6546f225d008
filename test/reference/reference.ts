/** The reference over go-stellar-sdk's ingest (test/reference/go), built on first use under `.cache`. Needs Go. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const SOURCES = join(import.meta.dir, "go");
const BINARY = join(ROOT, ".cache/bin/reference");
const FILES = ["go.mod", "main.go", "input.go", "rows.go", "state.go"];

function run(command: string[], cwd?: string): string {
  const { stdout, stderr, exitCode } = Bun.spawnSync(command, { cwd, stdout: "pipe", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${command[0]} failed: ${stderr.toString()}`);
  return stdout.toString();
}

/**
 * What the reference says of the files: `rows`, a line for each change of a TTL entry in the columns of the dataset, or
 * `state`, a line for each entry of contract data that they leave: key hash, sha256 of its value, live-until ledger, live or
 * expired.
 */
export function reference(what: "rows" | "state", files: readonly string[]): string {
  const stamp = FILES.map((name) => readFileSync(join(SOURCES, name), "utf8")).join("");
  if (!existsSync(`${BINARY}.stamp`) || readFileSync(`${BINARY}.stamp`, "utf8") !== stamp) {
    mkdirSync(join(ROOT, ".cache/bin"), { recursive: true });
    run(["go", "build", "-trimpath", "-o", `${BINARY}.new`, "."], SOURCES);
    renameSync(`${BINARY}.new`, BINARY);
    writeFileSync(`${BINARY}.stamp`, stamp);
  }
  return run([BINARY, what, ...files]);
}
