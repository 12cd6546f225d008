/**
 * `make bench-tip`: the tip at the size and pace that the network plans: ledgers of some 14 MiB with 12,000 changes of
 * balances, one every 600 ms, from a gRPC source and from core's meta stream over a FIFO, with the Go service of
 * bench/pipeline.ts beside. What counts is the time from a ledger's last byte at the server's socket to its last row at a
 * Flight client: one Go program (go/latency) is both ends, as in bench/latency.ts. A ledger is late whose rows come after
 * the next one's time. Its ledgers are made by go/large, of the transactions of a load test: of ../shared's where that is,
 * else of those in test/fixtures, which are a quarter larger.
 *
 *   bun bench/large.ts [--seconds 600] [--go-seconds 60] [--only gRPC]
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectControl } from "../src/control/client.ts";
import { loadTestLedgers, recordsOf } from "../test/fuzz/ledger-fixtures.ts";
import { LOAD_TEST } from "../test/support/networks.ts";
import { ROOT, startProcessor } from "../test/support/processor.ts";
import { writeFrames } from "./support/frames.ts";
import { buildGoPrograms, startGoProgram } from "./support/go-program.ts";
import { Report } from "./support/report.ts";
import { median } from "./support/result.ts";

const EVERY_MS = 600;
const WARM_UP_LEDGERS = 50; // half a minute: until what is hot is compiled
const MEMORY_MB = 1024; // MAX_MEMORY_MB's default
const RESIDENT_EVERY_MS = 100;
const STEADY_TIMES_MAX = 1.5; // as bench/latency.ts
const FIRST = 1000;
const ROWS = 12_000;
const SHARED = join(ROOT, "../shared/ledgers/loadgen/load-test-ledgers-v25.xdr.zstd");
const LEDGERS = 2; // that are sent in turns

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "600" },
    "go-seconds": { type: "string", default: "60" },
    only: { type: "string" },
  },
});
const ledgersOf = (seconds: string) => Math.ceil((Number(seconds) * 1000) / EVERY_MS);
const report = new Report("large");
const scratch = mkdtempSync(join(tmpdir(), "bench-large-"));
const stops: Array<() => void> = [() => rmSync(scratch, { recursive: true, force: true })];

interface Server {
  address: string;
  ticket: string;
  pid: number;
  stop(): void;
}

async function own(source: string, last: number): Promise<Server> {
  const processor = await startProcessor([
    `--source-endpoint=${source}`,
    `--network-passphrase=${LOAD_TEST}`,
    "--include-deleted",
    "--worker-count=2",
    `--max-memory-mb=${MEMORY_MB}`,
  ]);
  const control = connectControl(processor.control);
  const { sessionId } = await control.startProcessing({ startLedger: FIRST, endLedger: last });
  control.close();
  const ticket = JSON.stringify({ session: sessionId, from: "start" });
  return { address: processor.flight, ticket, pid: processor.pid, stop: () => processor.kill("SIGKILL") };
}

async function go(source: string, last: number): Promise<Server> {
  const flags = ["-workers", "2", "-passphrase", LOAD_TEST, "-first", String(FIRST), "-last", String(last)];
  const { address, pid, stop } = await startGoProgram([join(scratch, "pipeline"), "-raw", source, ...flags]);
  return { address, ticket: "x", pid, stop };
}

interface Measured {
  /** From the last byte to the last row. */
  restMs: number[];
  /** The same where fixed work beside the ledger took no longer than usual. */
  steadyMs: number[];
  late: number;
  residentMbMax: number;
}

const at = (milliseconds: readonly number[], share: number) =>
  milliseconds.toSorted((a, b) => a - b)[Math.min(milliseconds.length - 1, Math.floor(milliseconds.length * share))]!;

function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** @param options of the Go program that is both ends */
async function measure(
  name: string,
  start: (source: string, last: number) => Promise<Server>,
  ledgers: number,
  options: string[] = [],
): Promise<Measured> {
  const counts = ["-first", FIRST, "-ledgers", ledgers, "-warm-up", WARM_UP_LEDGERS, "-every", `${EVERY_MS}ms`];
  const command = [join(scratch, "latency"), ...counts.map(String), ...options, join(scratch, "large.frames")];
  const ends = await startGoProgram(command);
  stops.push(ends.stop);
  const server = await start(ends.address, FIRST + WARM_UP_LEDGERS + ledgers - 1);
  stops.push(server.stop);
  const resident: number[] = [];
  const timer = setInterval(() => resident.push(residentMb(server.pid)), RESIDENT_EVERY_MS);
  ends.child.stdin!.write(`${server.address} ${server.ticket}\n`);
  const lines: number[][] = [];
  for (let line = await ends.lines.next(); !line.done; line = await ends.lines.next()) {
    lines.push(line.value.split(" ").map(Number));
  }
  clearInterval(timer);
  server.stop();
  if (lines.length !== ledgers) throw new Error(`${name}: ${lines.length} of ${ledgers} ledgers came`);
  const steadyWorkMs = STEADY_TIMES_MAX * median(lines.map(([, before]) => before!));
  const steady = lines.filter(([, before, after]) => Math.max(before!, after!) <= steadyWorkMs);
  const measured = {
    restMs: lines.map(([, , , rest]) => rest!),
    steadyMs: steady.map(([, , , rest]) => rest!),
    late: lines.filter(([took]) => took! > EVERY_MS).length,
    residentMbMax: Math.max(...resident),
  };
  print(name, measured);
  report.keep(`${name}: from the last byte to the last row, ms`, measured.restMs);
  return measured;
}

function print(name: string, { restMs, steadyMs, late, residentMbMax }: Measured): void {
  const figures = (all: number[]) => [0.5, 0.9, 0.99, 1].map((share) => at(all, share).toFixed(1)).join(", ");
  console.log(`  ${name}: p50, p90, p99 and most ${figures(restMs)} ms of ${restMs.length} ledgers; ${late} late`);
  console.log(
    `    on a steady machine ${figures(steadyMs)} ms of ${steadyMs.length}; resident ${residentMbMax | 0} MB`,
  );
}

function reportFigures(source: "gRPC" | "meta stream", ours: Measured, theirs: Measured): void {
  report.figure(`${source}, p50`, [at(ours.restMs, 0.5) / at(theirs.restMs, 0.5)]);
  report.figure(`${source}, p99`, [at(ours.restMs, 0.99) / at(theirs.restMs, 0.99)]);
  report.figure(`${source}, p50 on a steady machine`, ours.steadyMs);
  report.figure(`${source}, p99 on a steady machine`, ours.steadyMs, at(ours.steadyMs, 0.99));
  report.figure(`${source}, late ledgers`, [ours.late]);
  report.figure(`${source}, resident at most`, [ours.residentMbMax / MEMORY_MB]);
}

try {
  buildGoPrograms(scratch, ["latency", "pipeline", "large"]);
  const loadTest = existsSync(SHARED) ? recordsOf(Bun.zstdDecompressSync(readFileSync(SHARED))) : loadTestLedgers();
  writeFrames(join(scratch, "frames"), loadTest.slice(0, LEDGERS));
  const made = join(scratch, "large.frames");
  execFileSync(join(scratch, "large"), ["-rows", String(ROWS), join(scratch, "frames"), made]);
  const mib = readFileSync(made).length / LEDGERS / 2 ** 20;
  console.log(
    `ledgers of ${mib.toFixed(1)} MiB and ${ROWS} rows every ${EVERY_MS} ms: last byte in → last row at the client`,
  );
  const theirs = await measure("Go", go, ledgersOf(flags["go-seconds"]));
  const only = flags.only;
  if (only !== "meta") reportFigures("gRPC", await measure("this server", own, ledgersOf(flags.seconds)), theirs);
  if (only !== "gRPC") {
    const fifo = join(scratch, "meta.fifo");
    execFileSync("mkfifo", [fifo]);
    const ours = await measure("this server, a FIFO", own, ledgersOf(flags.seconds), ["-fifo", fifo]);
    reportFigures("meta stream", ours, theirs);
  }
  process.exitCode = report.finish();
} finally {
  for (const stop of stops.reverse()) stop();
}
process.exit();
