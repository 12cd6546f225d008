/**
 * `bun bench/latency.ts`: latency at the tip. A source gives one ledger of about 1.8 MB after the other, each once the
 * rows of the one before have reached a Flight client and a pause has passed. Both ends are one Go program (go/latency),
 * so that one clock tells the time and the runtime under test is under test once; it decodes nothing. The Go service of
 * bench/pipeline.ts is measured in the same way in the same run, to tell the machine's part.
 *
 *   bun bench/latency.ts [--ledgers 500] [--pause 40ms]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectControl } from "../src/control/client.ts";
import { startProcessor } from "../test/support/processor.ts";
import { writeFrames } from "./support/frames.ts";
import { buildGoPrograms, startGoProgram } from "./support/go-program.ts";
import { ledgerOfSize, PUBNET } from "./support/ledgers.ts";

const TARGET_P99_MS = 20;
const WARM_UP_LEDGERS = 500; // until the JIT has compiled what is hot
const LEDGER_BYTES_WANTED = 1_800_000;
const FIRST = 1000;

const { values: flags } = parseArgs({
  options: { ledgers: { type: "string", default: "500" }, pause: { type: "string", default: "40ms" } },
});

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
async function measure(name: string, start: (source: string) => Promise<Server>): Promise<(share: number) => number> {
  const counts = ["-first", FIRST, "-ledgers", flags.ledgers, "-warm-up", WARM_UP_LEDGERS, "-pause", flags.pause];
  const ends = await startGoProgram([join(scratch, "latency"), ...counts.map(String), join(scratch, "frames")]);
  stops.push(ends.stop);
  const server = await start(ends.address);
  stops.push(server.stop);
  ends.child.stdin!.write(`${server.address} ${server.ticket}\n`);
  const tookMs: number[] = [];
  for (let line = await ends.lines.next(); !line.done; line = await ends.lines.next()) tookMs.push(Number(line.value));
  server.stop();
  if (tookMs.length !== Number(flags.ledgers)) throw new Error(`${tookMs.length} of ${flags.ledgers} ledgers came`);
  tookMs.sort((a, b) => a - b);
  const at = (share: number) => tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))]!;
  const texts = [0.5, 0.9, 0.99, 1].map((share) => at(share).toFixed(1));
  console.log(`  ${name.padEnd(12)} p50 ${texts[0]}, p90 ${texts[1]}, p99 ${texts[2]}, most ${texts[3]}`);
  return at;
}

let met = false;
try {
  buildGoPrograms(scratch, ["latency", "pipeline"]);
  const ledger = ledgerOfSize(LEDGER_BYTES_WANTED);
  writeFrames(join(scratch, "frames"), [ledger]);
  console.log(
    `one ledger of ${(ledger.length / 1e6).toFixed(2)} MB in → its rows at the client, ms, ${flags.ledgers} ledgers`,
  );
  const theirs = await measure("Go", go);
  const ours = await measure("this server", own);
  met = ours(0.99) < TARGET_P99_MS;
  console.log(
    `p50 is ${(ours(0.5) / theirs(0.5)).toFixed(2)} times the Go service's; p99 ${ours(0.99).toFixed(1)} ms, target ${TARGET_P99_MS}: ${met ? "met" : "MISSED"}`,
  );
} finally {
  for (const stop of stops.reverse()) stop();
}
process.exit(met ? 0 : 1);
