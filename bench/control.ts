/**
 * `make bench-control`: how long GetStatus and GetMetrics take, idle and beside a DoGet that saturates the machine,
 * against a grpc-go server that does nothing, in the same run; ConfigureFilters apart. README.md says how to read it.
 *
 *   bun bench/control.ts [--calls 2000] [--rounds 7]
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectControl } from "../src/control/client.ts";
import { type Processor, SAMPLE, startProcessor } from "../test/support/processor.ts";
import { ask, buildGoControl, type Quantiles, saturate, startFloor } from "./support/control-floor.ts";
import { Report } from "./support/report.ts";

const WARM_MS = 3000; // from the start to the first call that is timed

const { values: flags } = parseArgs({
  options: { calls: { type: "string", default: "2000" }, rounds: { type: "string", default: "7" } },
});

type Result = Record<string, Quantiles>;

const KINDS = [
  "GetStatus, idle",
  "GetStatus, beside a DoGet",
  "GetMetrics, idle",
  "GetMetrics, beside a DoGet",
] as const;
/** What every round said of one kind of call: our times over the floor's, and our own. */
const comparisons = new Map(KINDS.map((kind) => [kind, { p50Ratios: [], p99Ratios: [], p99Ms: [] } as Comparison]));
interface Comparison {
  p50Ratios: number[];
  p99Ratios: number[];
  p99Ms: number[];
}

const report = new Report("control");
const binary = buildGoControl();
const scratch = mkdtempSync(join(tmpdir(), "bench-control-"));
const children: ChildProcess[] = [];
const filtersMs: number[] = [];
let server: Processor | undefined;
try {
  const floor = await startFloor(binary);
  children.push(floor.child);
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
  const args = ["load", "-floor", floor.address, "-target", server.control, "-session", sessionId];
  for (let round = 1; round <= Number(flags.rounds); round++) {
    console.log(`\nround ${round} of ${flags.rounds}`);
    const idle = await ask(binary, [...args, "-calls", flags.calls]);
    const reader = await saturate(server, control);
    children.push(reader.child);
    const before = mainThread(server.pid);
    const busy = await ask(binary, [...args, "-calls", flags.calls]);
    const scheduled = mainThreadSince(server.pid, before);
    const rate = await reader.end();
    console.log(`  beside a DoGet of ${rate}${scheduled}`);
    for (const kind of KINDS) addRound(kind, kind.endsWith("idle") ? idle : busy);
    const filters = (await ask(binary, [...args, "-filters", "500"])).ConfigureFilters!;
    filtersMs.push(filters.p99Ms);
    console.log(
      `  ConfigureFilters, idle: p50 ${ms(filters.p50Ms)}, p99 ${ms(filters.p99Ms)}, max ${ms(filters.maxMs)}`,
    );
  }
  control.close();
  for (const [kind, { p50Ratios, p99Ratios, p99Ms }] of comparisons) {
    report.figure(`${kind}, p50`, p50Ratios);
    report.figure(`${kind}, p99`, p99Ratios);
    report.keep(`${kind}, p99, ms`, p99Ms);
  }
  report.figure("ConfigureFilters, idle, p99", filtersMs);
  process.exitCode = report.finish();
} finally {
  for (const child of children) child.kill();
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
}

/** Prints one round of a kind of call, and keeps it. */
function addRound(kind: (typeof KINDS)[number], result: Result): void {
  const call = kind.split(",")[0]!;
  const own = result[call]!;
  const floor = result[`floor ${call}`]!;
  const p50 = own.p50Ms / floor.p50Ms;
  const p99 = own.p99Ms / floor.p99Ms;
  console.log(
    `  ${kind}: p50 ${ms(own.p50Ms)} is ${p50.toFixed(2)} × the floor's ${ms(floor.p50Ms)}; p99 ${ms(own.p99Ms)} is ${p99.toFixed(2)} × ${ms(floor.p99Ms)}`,
  );
  const all = comparisons.get(kind)!;
  all.p50Ratios.push(p50);
  all.p99Ratios.push(p99);
  all.p99Ms.push(own.p99Ms);
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
