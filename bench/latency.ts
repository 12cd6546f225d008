/**
 * `bun bench/latency.ts`: latency at the tip. A source gives one ledger of about 1.8 MB after the other, each once the
 * rows of the one before have reached a Flight client and a pause has passed. Both ends are one Go program (go/latency),
 * so that one clock tells the time and the runtime under test is under test once; it decodes nothing. The Go service of
 * bench/pipeline.ts is measured in the same way in the same run, and core's meta stream over a FIFO. Between ledgers the
 * Go program does a fixed piece of work: where that took long before or after a ledger, the machine was not steady, and
 * the ledger is left out of the second line of figures. The target goes by that line.
 *
 *   bun bench/latency.ts [--ledgers 500] [--pause 40ms]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectControl } from "../src/control/client.ts";
import { startProcessor } from "../test/support/processor.ts";
import { writeFrames } from "./support/frames.ts";
import { buildGoPrograms, startGoProgram } from "./support/go-program.ts";
import { ledgerOfSize, PUBNET } from "./support/ledgers.ts";
import { Report } from "./support/report.ts";

/** The machine is steady where fixed work takes no more than so many times its median. */
const STEADY_TIMES_MAX = 1.5;
const WARM_UP_LEDGERS = 500; // until the JIT has compiled what is hot
const LEDGER_BYTES_WANTED = 1_800_000;
const FIRST = 1000;

const { values: flags } = parseArgs({
  options: { ledgers: { type: "string", default: "500" }, pause: { type: "string", default: "40ms" } },
});

const report = new Report("latency");
const scratch = mkdtempSync(join(tmpdir(), "bench-latency-"));
const stops: Array<() => void> = [() => rmSync(scratch, { recursive: true, force: true })];
const lastLedger = FIRST + WARM_UP_LEDGERS + Number(flags.ledgers) - 1;

interface Server {
  address: string;
  ticket: string;
  stop(): void;
}

async function own(source: string): Promise<Server> {
  const processor = await startProcessor([
    `--source-endpoint=${source}`,
    `--network-passphrase=${PUBNET}`,
    "--include-deleted",
    "--worker-count=2",
  ]);
  const control = connectControl(processor.control);
  const { sessionId } = await control.startProcessing({ startLedger: FIRST, endLedger: lastLedger });
  control.close();
  const ticket = JSON.stringify({ session: sessionId, from: "start" });
  return { address: processor.flight, ticket, stop: () => processor.kill("SIGKILL") };
}

async function go(source: string): Promise<Server> {
  const range = ["-first", String(FIRST), "-last", String(lastLedger)];
  const { address, stop } = await startGoProgram([
    join(scratch, "pipeline"),
    "-raw",
    source,
    "-workers",
    "2",
    ...range,
  ]);
  return { address, ticket: "x", stop };
}

/** Milliseconds at a share of the ledgers. */
type Distribution = (share: number) => number;

interface Measured {
  all: Distribution;
  /** Of the ledgers beside which the machine was steady. */
  steady: Distribution;
}

function distribution(name: string, milliseconds: number[]): Distribution {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const at: Distribution = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  const texts = [0.5, 0.9, 0.99, 1].map((share) => at(share).toFixed(1));
  console.log(
    `  ${name.padEnd(24)} p50 ${texts[0]}, p90 ${texts[1]}, p99 ${texts[2]}, most ${texts[3]}, of ${sorted.length}`,
  );
  return at;
}

async function measure(
  name: string,
  start: (source: string) => Promise<Server>,
  options: string[] = [],
): Promise<Measured> {
  const counts = ["-first", FIRST, "-ledgers", flags.ledgers, "-warm-up", WARM_UP_LEDGERS, "-pause", flags.pause];
  const ends = await startGoProgram([
    join(scratch, "latency"),
    ...counts.map(String),
    ...options,
    join(scratch, "frames"),
  ]);
  stops.push(ends.stop);
  const server = await start(ends.address);
  stops.push(server.stop);
  ends.child.stdin!.write(`${server.address} ${server.ticket}\n`);
  const lines: Array<{ tookMs: number; beforeMs: number; afterMs: number }> = [];
  for (let line = await ends.lines.next(); !line.done; line = await ends.lines.next()) {
    const [tookMs, beforeMs, afterMs] = line.value.split(" ").map(Number) as [number, number, number];
    lines.push({ tookMs, beforeMs, afterMs });
  }
  server.stop();
  if (lines.length !== Number(flags.ledgers)) throw new Error(`${lines.length} of ${flags.ledgers} ledgers came`);
  const tookMs = lines.map((line) => line.tookMs);
  report.keep(`${name}, ms`, tookMs);
  const all = distribution(name, tookMs);
  const work = distribution(
    "  the work between",
    lines.map(({ beforeMs }) => beforeMs),
  );
  const steadyMsMax = STEADY_TIMES_MAX * work(0.5);
  const steady = distribution(
    "  where that was steady",
    lines.filter(({ beforeMs, afterMs }) => Math.max(beforeMs, afterMs) <= steadyMsMax).map(({ tookMs }) => tookMs),
  );
  return { all, steady };
}

try {
  buildGoPrograms(scratch, ["latency", "pipeline"]);
  const ledger = ledgerOfSize(LEDGER_BYTES_WANTED);
  writeFrames(join(scratch, "frames"), [ledger]);
  console.log(
    `one ledger of ${(ledger.length / 1e6).toFixed(2)} MB in → its rows at the client, ms, ${flags.ledgers} ledgers`,
  );
  const theirs = await measure("Go", go);
  const ours = await measure("this server", own);
  const fifo = join(scratch, "meta.fifo");
  execFileSync("mkfifo", [fifo]);
  const meta = await measure("this server, a FIFO", own, ["-fifo", fifo]);
  report.figure("gRPC, p50", [ours.all(0.5) / theirs.all(0.5)]);
  report.figure("gRPC, p99", [ours.all(0.99) / theirs.all(0.99)]);
  report.figure("gRPC, p99 on a steady machine", [ours.steady(0.99)]);
  report.figure("meta stream, p50", [meta.all(0.5) / ours.all(0.5)]);
  const ofFifo = [0.5, 0.99].map((share) => (meta.all(share) / ours.all(share)).toFixed(2));
  console.log(`of all ledgers of core's meta stream p50 is ${ofFifo[0]} and p99 ${ofFifo[1]} times that over gRPC`);
  process.exitCode = report.finish();
} finally {
  for (const stop of stops.reverse()) stop();
}
process.exit();
