/** Jobs and their workers, for tests. */
import { join } from "node:path";
import { COMMANDS } from "../../src/main.ts";
import { type CliRun, cli } from "../cli/harness.ts";
import { contentOf } from "../export/support.ts";
import { PROGRAM, ROOT } from "../support/processor.ts";

/** Of chunks that were begun and not done, a test waits for so long. */
export const LEASE = ["--lease", "500ms"];

/** `backfill NAME` at a place. */
export function backfill(name: string, to: string, ...flags: string[]): Promise<CliRun> {
  return cli(["backfill", name, "--to", to, ...flags], COMMANDS);
}

/** A worker inside the test. */
export function worker(to: string, source: string, ...flags: string[]): Promise<CliRun> {
  return cli(["worker", "--to", to, "--source", source, ...flags], COMMANDS);
}

/** A worker in a process of its own. */
export function spawnWorker(to: string, source: string, env: Record<string, string> = {}): Bun.Subprocess {
  return spawnCommand(["worker", "--to", to, "--source", source], env);
}

/** A command in a process of its own. */
export function spawnCommand(argv: readonly string[], env: Record<string, string> = {}): Bun.Subprocess {
  return Bun.spawn([...PROGRAM, ...argv], {
    cwd: ROOT,
    stdout: "ignore",
    stderr: "ignore",
    env: { ...process.env, ...env },
  });
}

/** Every file of an export, by its path, without those of its jobs: who has done what is different each time. */
export function rowsOf(folder: string): Map<string, string> {
  return new Map([...contentOf(folder)].filter(([path]) => !path.startsWith(join("_export", "jobs"))));
}
