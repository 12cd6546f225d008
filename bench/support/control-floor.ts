/** What benches of control calls share: the Go program that asks, its server that does nothing, and a saturating stream. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { connectControl } from "../../src/control/client.ts";
import { goClient } from "../../test/clients/toolchain.ts";
import { type Processor, ROOT } from "../../test/support/processor.ts";

const SATURATED_MS = 3000; // the stream runs for this long before calls are timed

export interface Quantiles {
  calls: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/** A server that answers every unary call with as many bytes as ours. */
export async function startFloor(binary: string): Promise<{ address: string; child: ChildProcess }> {
  const child = spawn(binary, ["serve"], { stdio: ["pipe", "pipe", "inherit"] });
  const address = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (line: Buffer) => resolve(line.toString().trim()));
    child.once("exit", (code) => reject(new Error(`the floor ended with ${code}`)));
  });
  return { address, child };
}

/** Runs one command of the Go program to its end. */
export async function ask(binary: string, args: string[]): Promise<Record<string, Quantiles>> {
  const child = Bun.spawn([binary, ...args], { stdout: "pipe", stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error("the load client failed");
  return JSON.parse(text) as Record<string, Quantiles>;
}

/** A Go client that reads one continuous session as fast as it comes, from when it has run for a while. */
export async function saturate(processor: Processor, control: ReturnType<typeof connectControl>) {
  const client = await goClient();
  if (client.command === undefined) throw new Error(client.missing);
  const { sessionId } = await control.startProcessing({ startLedger: 1_000_000 });
  const ticket = JSON.stringify({ session: sessionId, from: "start" });
  const child = spawn(client.command[0]!, ["get", "-addr", processor.flight, "-ticket", ticket], { stdio: "ignore" });
  await Bun.sleep(SATURATED_MS);
  const begun = performance.now();
  const before = await control.getMetrics({ sessionId });
  return {
    child,
    async end(): Promise<string> {
      const after = await control.getMetrics({ sessionId });
      const seconds = (performance.now() - begun) / 1000;
      child.kill();
      await control.deleteSession({ sessionId, force: true });
      return `${((after.bytesDelivered - before.bytesDelivered) / 1e6 / seconds).toFixed(0)} MB/s`;
    },
  };
}

/** The Go program, built. @throws where there is no Go */
export function buildGoControl(): string {
  const folder = join(ROOT, ".cache", "bin");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "go-control");
  const sources = join(ROOT, "bench", "go-control");
  const built = spawnSync("go", ["build", "-trimpath", "-o", path, "."], { cwd: sources, encoding: "utf8" });
  if (built.error !== undefined) throw new Error(`needs Go 1.26 or newer: ${built.error.message}`);
  if (built.status !== 0) throw new Error(built.stderr);
  return path;
}
