/** The Go programs of bench/go: built into a folder, and started as what prints its address first. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "../../test/support/processor.ts";

const READY_MS_MAX = 60_000;

/** @throws where there is no Go, or the program does not compile */
export function buildGoPrograms(folder: string, programs: readonly string[]): void {
  for (const program of programs) {
    const { status, error } = spawnSync("go", ["build", "-trimpath", "-o", join(folder, program), `./${program}`], {
      cwd: join(ROOT, "bench/go"),
      stdio: "inherit",
    });
    if (error !== undefined) throw new Error(`needs Go 1.26 or newer: ${error.message}`);
    if (status !== 0) throw new Error(`bench/go/${program} cannot be built`);
  }
}

interface GoProgram {
  address: string;
  pid: number;
  child: ChildProcess;
  /** What it prints after its address. */
  lines: AsyncIterator<string>;
  stop(): void;
}

export async function startGoProgram(command: readonly string[]): Promise<GoProgram> {
  const child = spawn(command[0]!, command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`${command[0]} is not ready`)), READY_MS_MAX).unref();
  });
  const { value, done } = await Promise.race([lines.next(), late]);
  if (done) throw new Error(`${command[0]} ended without an address`);
  return { address: value, pid: child.pid!, child, lines, stop: () => child.kill("SIGKILL") };
}
