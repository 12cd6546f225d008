/**
 * `make bench-control`: how long GetStatus and GetMetrics take, idle and beside a DoGet that saturates the machine,
 * against a grpc-go server that does nothing, in the same run; ConfigureFilters apart. README.md says how to read it.
 *
 *   bun bench/control.ts [--calls 2000] [--rounds 5]
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectControl } from "../src/control/client.ts";
import { goClient } from "../test/clients/toolchain.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../test/support/processor.ts";

const IDLE_P50_RATIO_MAX = 2; // the targets: times the floor's
const IDLE_P99_RATIO_MAX = 3;
const LOAD_P99_RATIO_MAX = 3;
const LOAD_P99_MS_GUIDE = 10;
const FILTERS_P99_MS_GUIDE = 10;
const WARM_MS = 3000; // the saturating stream runs for this long before calls are timed

const { values: flags } = parseArgs({
  options: { calls: { type: "string", default: "2000" }, rounds: { type: "string", default: "5" } },
});

interface Quantiles {
  calls: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}
type Result = Record<string, Quantiles>;

/** What every round said of one comparison. */
interface Comparison {
  p50Max: number | undefined;
  p99Max: number;
  p50Ratios: number[];
  p99Ratios: number[];
  p99Ms: number[];
}
const comparisons = new Map<string, Comparison>();

const binary = buildGo();
const scratch = mkdtempSync(join(tmpdir(), "bench-control-"));
const children: ChildProcess[] = [];
let server: Processor | undefined;
try {
  const floor = await startFloor();
  server = await startProcessor([
    `--source-endpoint=repeat:${SAMPLE.folder}`,
    "--include-deleted",
    "--worker-count=2",
    `--data-dir=${join(scratch, "data")}`,
  ]);
  const control = connectControl(server.control);
  // At rest: without a client it soon waits for one.
  const { sessionId } = await control.startProcessing({ startLedger: 1000 });
  await Bun.sleep(WARM_MS);
  const args = ["load", "-floor", floor, "-target", server.control, "-session", sessionId];
  for (let round = 1; round <= Number(flags.rounds); round++) {
    console.log(`\nround ${round} of ${flags.rounds}`);
    const idle = await load([...args, "-calls", flags.calls]);
    const reader = await saturate(server, control);
    const before = mainThread(server.pid);
    const busy = await load([...args, "-calls", flags.calls]);
    const scheduled = mainThreadSince(server.pid, before);
    const rate = await reader.end();
    console.log(`  beside a DoGet of ${rate}${scheduled}`);
    for (const call of ["GetStatus", "GetMetrics"]) {
      report(`${call}, idle`, idle, call, IDLE_P50_RATIO_MAX, IDLE_P99_RATIO_MAX);
      report(`${call}, beside a DoGet`, busy, call, undefined, LOAD_P99_RATIO_MAX);
      if (busy[call]!.p99Ms > LOAD_P99_MS_GUIDE) {
        console.log(`    over the guide of ${LOAD_P99_MS_GUIDE} ms: ${ms(busy[call]!.p99Ms)}`);
      }
    }
    const filters = (await load([...args, "-filters", "500"])).ConfigureFilters!;
    console.log(
      `  ConfigureFilters, idle: p50 ${ms(filters.p50Ms)}, p99 ${ms(filters.p99Ms)} (guide: ${FILTERS_P99_MS_GUIDE} ms), max ${ms(filters.maxMs)}`,
    );
  }
  control.close();
  const met = [...comparisons].filter(([what, comparison]) => verdict(what, comparison)).length;
  console.log(`${met} of ${comparisons.size} comparisons within their targets`);
} finally {
  for (const child of children) child.kill();
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
}

/** Prints one round of a comparison. */
function report(what: string, result: Result, call: string, p50Max: number | undefined, p99Max: number): void {
  const own = result[call]!;
  const floor = result[`floor ${call}`]!;
  const p50 = own.p50Ms / floor.p50Ms;
  const p99 = own.p99Ms / floor.p99Ms;
  console.log(
    `  ${what}: p50 ${ms(own.p50Ms)} is ${p50.toFixed(2)} × the floor's ${ms(floor.p50Ms)}; p99 ${ms(own.p99Ms)} is ${p99.toFixed(2)} × ${ms(floor.p99Ms)}`,
  );
  const all = comparisons.get(what) ?? { p50Max, p99Max, p50Ratios: [], p99Ratios: [], p99Ms: [] };
  comparisons.set(what, all);
  all.p50Ratios.push(p50);
  all.p99Ratios.push(p99);
  all.p99Ms.push(own.p99Ms);
}

/** Prints the medians over the rounds; whether they are within their targets. */
function verdict(what: string, { p50Max, p99Max, p50Ratios, p99Ratios, p99Ms }: Comparison): boolean {
  const p50 = median(p50Ratios);
  const p99 = median(p99Ratios);
  const within = (p50Max === undefined || p50 <= p50Max) && p99 <= p99Max;
  const bound = (value: number | undefined) => (value === undefined ? "" : ` (target ${value})`);
  const spread = `${Math.min(...p99Ratios).toFixed(2)} to ${Math.max(...p99Ratios).toFixed(2)}`;
  console.log(
    `${what}, median of ${p99Ratios.length} rounds: p50 ${p50.toFixed(2)} ×${bound(p50Max)}, p99 ${p99.toFixed(2)} ×${bound(p99Max)}, from ${spread}; p99 ${ms(median(p99Ms))}${within ? "" : "  MISSED"}`,
  );
  return within;
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

/** Nanoseconds on a core, nanoseconds waiting for one, slices: of a process's main thread (Linux). */
function mainThread(pid: number): number[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").trim().split(" ").map(Number);
  } catch {
    return undefined;
  }
}

/** How much of what the calls took is the system's doing. */
function mainThreadSince(pid: number, before: number[] | undefined): string {
  const after = mainThread(pid);
  if (before === undefined || after === undefined) return "";
  const [ran, waited] = [after[0]! - before[0]!, after[1]! - before[1]!];
  return `: the main thread waited for a core ${(waited / ran).toFixed(1)} times as long as it ran`;
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

/** A Go client that reads one continuous session as fast as it comes. */
async function saturate(processor: Processor, control: ReturnType<typeof connectControl>) {
  const client = await goClient();
  if (client.command === undefined) throw new Error(client.missing);
  const { sessionId } = await control.startProcessing({ startLedger: 1_000_000 });
  const ticket = JSON.stringify({ session: sessionId, from: "start" });
  const child = spawn(client.command[0]!, ["get", "-addr", processor.flight, "-ticket", ticket], { stdio: "ignore" });
  children.push(child);
  await Bun.sleep(WARM_MS);
  const begun = performance.now();
  const before = await control.getMetrics({ sessionId });
  return {
    async end(): Promise<string> {
      const after = await control.getMetrics({ sessionId });
      const seconds = (performance.now() - begun) / 1000;
      child.kill();
      await control.deleteSession({ sessionId, force: true });
      return `${((after.bytesDelivered - before.bytesDelivered) / 1e6 / seconds).toFixed(0)} MB/s`;
    },
  };
}

async function startFloor(): Promise<string> {
  const child = spawn(binary, ["serve"], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.stdout.once("data", (line: Buffer) => resolve(line.toString().trim()));
    child.once("exit", (code) => reject(new Error(`the floor ended with ${code}`)));
  });
}

async function load(args: string[]): Promise<Result> {
  const child = Bun.spawn([binary, ...args], { stdout: "pipe", stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error("the load client failed");
  return JSON.parse(text) as Result;
}

function buildGo(): string {
  const folder = join(ROOT, ".cache", "bin");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "go-control");
  const sources = join(ROOT, "bench", "go-control");
  const built = spawnSync("go", ["build", "-trimpath", "-o", path, "."], { cwd: sources, encoding: "utf8" });
  if (built.error !== undefined) throw new Error(`bench-control needs Go 1.26 or newer: ${built.error.message}`);
  if (built.status !== 0) throw new Error(built.stderr);
  return path;
}
