/**
 * `make bench-pipeline`: lake → decode → Flight → a fast client, and the same from a grpc-go source of raw ledgers,
 * beside a Go service of the same shape (go/pipeline) on the same ledgers, cores and client in one run. Rates of a busy
 * machine mean little by themselves; the ratios are what is looked at.
 *
 *   bun bench/pipeline.ts [--ledgers 800] [--go-ledgers 200] [--rounds 3] [--workers 2]
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { connectControl } from "../src/control/client.ts";
import { splitBatch } from "../src/ledger/batch.ts";
import { headerOffsets } from "../src/sources/header-offsets.ts";
import { lakeKey } from "../src/sources/lake-layout.ts";
import { goClient, runClient } from "../test/clients/toolchain.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../test/support/processor.ts";
import { writeFrames } from "./support/frames.ts";

const PUBNET = "Public Global Stellar Network ; September 2015";
const SHARED_LAKE = join(ROOT, "../shared/ledgers/lake");
const LAYOUT = { ledgersPerBatch: 1, batchesPerPartition: 64000, extension: "zst" } as const;
const FIRST = 64_000_000; // of the made lake
const TARGET_LAKE = 10; // times the Go service
const TARGET_RAW = 5;
const WARM_UP_LEDGERS = 1500; // until the JIT has compiled what is hot
const CHILD_READY_MS = 60_000;

const { values: flags } = parseArgs({
  options: {
    ledgers: { type: "string", default: "800" },
    "go-ledgers": { type: "string", default: "200" },
    rounds: { type: "string", default: "3" },
    workers: { type: "string", default: "2" },
  },
});
const ledgers = Number(flags.ledgers);
const goLedgers = Number(flags["go-ledgers"]);
const rounds = Number(flags.rounds);
const workers = Number(flags.workers);

/** Dense ledgers: the shared lake's where that is, else the sample's last one. */
function templates(): Uint8Array[] {
  const folder = existsSync(SHARED_LAKE) ? SHARED_LAKE : SAMPLE.folder;
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".zst"));
  const all: Uint8Array[] = [];
  for (const file of files.sort()) {
    const inflated = Bun.zstdDecompressSync(readFileSync(join(folder, file)));
    for (const { bytes } of splitBatch(inflated)) all.push(new Uint8Array(bytes)); // a Buffer's slice would be a view
  }
  return folder === SHARED_LAKE ? all : all.filter((bytes) => bytes.length > 1_000_000).slice(-1);
}

function renumber(template: Uint8Array, sequence: number): Uint8Array {
  const bytes = new Uint8Array(template);
  new DataView(bytes.buffer).setUint32(headerOffsets("template", bytes).ledgerSequence, sequence);
  return bytes;
}

function writeLake(folder: string, from: readonly Uint8Array[], count: number): void {
  for (let n = 0; n < count; n++) {
    const sequence = FIRST + n;
    const ledger = renumber(from[n % from.length]!, sequence);
    const batch = new Uint8Array(12 + ledger.length);
    const view = new DataView(batch.buffer);
    view.setUint32(0, sequence);
    view.setUint32(4, sequence);
    view.setUint32(8, 1);
    batch.set(ledger, 12);
    const path = join(folder, lakeKey(LAYOUT, sequence));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, Bun.zstdCompressSync(batch, { level: 3 }));
  }
}

/** Starts a program that prints its address first. */
async function child(command: string[]): Promise<{ address: string; pid: number; stop(): void }> {
  const started = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`${command[0]} is not ready`)), CHILD_READY_MS).unref();
  });
  const { value } = (await Promise.race([lines.next(), late])) as { value: string };
  return { address: value, pid: started.pid!, stop: () => started.kill("SIGKILL") };
}

/** CPU seconds of a process so far (Linux). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function stageSeconds(processor: Processor): Promise<Record<string, number>> {
  const text = await (await fetch(`http://${processor.http}/metrics`)).text();
  const found = text.matchAll(/^contract_data_stage_seconds_total\{stage="(\w+)"\} (\S+)$/gm);
  return Object.fromEntries([...found].map((match) => [match[1]!, Number(match[2])]));
}

interface Measured {
  ledgersPerSecond: number;
  rows: number;
  cpuSeconds: number;
  wallSeconds: number;
}

async function timed(pid: number, count: number, read: () => Promise<number>): Promise<Measured> {
  const cpuBefore = cpuSeconds(pid);
  const begun = performance.now();
  const rows = await read();
  const wallSeconds = (performance.now() - begun) / 1000;
  return { ledgersPerSecond: count / wallSeconds, rows, cpuSeconds: cpuSeconds(pid) - cpuBefore, wallSeconds };
}

const client = await goClient();
if (client.command === undefined) {
  console.log(`skipped: ${client.missing}`);
  process.exit(0);
}
async function get(address: string, ticket: string): Promise<number> {
  const { results, stderr } = await runClient(client as { command: string[] }, [
    "get",
    "-addr",
    address,
    "-ticket",
    ticket,
  ]);
  const result = results[0];
  if (result === undefined || result.error !== undefined)
    throw new Error(`client: ${JSON.stringify(result)} ${stderr}`);
  return result.rows;
}

/** The server under test, one session over `count` ledgers. */
async function own(processor: Processor, count: number): Promise<Measured> {
  const control = connectControl(processor.control);
  try {
    return await timed(processor.pid, count, async () => {
      const { sessionId } = await control.startProcessing({ startLedger: FIRST, endLedger: FIRST + count - 1 });
      return get(processor.flight, JSON.stringify({ session: sessionId, from: "start" }));
    });
  } finally {
    control.close();
  }
}

const median = (numbers: number[]) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
const scratch = mkdtempSync(join(tmpdir(), "bench-pipeline-"));
const stops: Array<() => void> = [() => rmSync(scratch, { recursive: true, force: true })];
let missed = 0;
try {
  for (const program of ["pipeline", "rawsource"]) {
    const { status } = spawnSync("go", ["build", "-trimpath", "-o", join(scratch, program), `./${program}`], {
      cwd: join(ROOT, "bench/go"),
      stdio: "inherit",
    });
    if (status !== 0) throw new Error("the Go programs cannot be built");
  }
  const from = templates();
  const xdrMb = from.reduce((sum, bytes) => sum + bytes.length, 0) / from.length / 1e6;
  console.log(`${ledgers} ledgers, ${xdrMb.toFixed(2)} MB of XDR each; ${workers} workers; ${rounds} rounds, medians`);
  writeLake(join(scratch, "lake"), from, ledgers);
  writeFrames(join(scratch, "frames"), from);

  for (const kind of ["lake", "raw"] as const) {
    const source = kind === "raw" ? await child([join(scratch, "rawsource"), join(scratch, "frames")]) : undefined;
    if (source !== undefined) stops.push(source.stop);
    const goSource = source === undefined ? ["-lake", join(scratch, "lake")] : ["-raw", source.address];
    const reference = await child([
      join(scratch, "pipeline"),
      ...goSource,
      "-workers",
      String(workers),
      "-first",
      String(FIRST),
      "-last",
      String(FIRST + goLedgers - 1),
    ]);
    stops.push(reference.stop);
    const start = (count: number) =>
      startProcessor([
        `--source-endpoint=${source?.address ?? join(scratch, "lake")}`,
        `--network-passphrase=${PUBNET}`,
        "--include-deleted",
        `--worker-count=${count}`,
      ]);
    const processor = await start(workers);
    stops.push(() => processor.kill("SIGKILL"));
    for (let warmed = 0; warmed < WARM_UP_LEDGERS; warmed += ledgers) await own(processor, ledgers);
    const ownRates: Measured[] = [];
    const goRates: Measured[] = [];
    const before = await stageSeconds(processor);
    for (let round = 0; round < rounds; round++) {
      ownRates.push(await own(processor, ledgers));
      goRates.push(await timed(reference.pid, goLedgers, () => get(reference.address, "x")));
    }
    const after = await stageSeconds(processor);
    const ownRate = median(ownRates.map(({ ledgersPerSecond }) => ledgersPerSecond));
    const goRate = median(goRates.map(({ ledgersPerSecond }) => ledgersPerSecond));
    const target = kind === "lake" ? TARGET_LAKE : TARGET_RAW;
    const ratio = ownRate / goRate;
    if (ratio < target) missed += 1;
    console.log(`\n${kind === "lake" ? "from a lake" : "from a grpc-go source"}`);
    const line = (name: string, rate: number, all: Measured[]) => {
      const cpu = median(all.map((one) => one.cpuSeconds / one.wallSeconds));
      console.log(
        `  ${name.padEnd(12)} ${rate.toFixed(0).padStart(6)} ledgers/s  ${(rate * xdrMb).toFixed(0).padStart(5)} MB/s of XDR  ${(rate / cpu).toFixed(0).padStart(5)} ledgers/CPU s  ${cpu.toFixed(2)} cores`,
      );
    };
    line("this server", ownRate, ownRates);
    line("Go", goRate, goRates);
    console.log(`  ${ratio.toFixed(1)} times the Go service; target ${target}: ${ratio >= target ? "met" : "MISSED"}`);
    const perCpu = (all: Measured[]) =>
      median(all.map((one) => one.ledgersPerSecond / (one.cpuSeconds / one.wallSeconds)));
    console.log(
      `  ${(perCpu(ownRates) / perCpu(goRates)).toFixed(1)} times as many ledgers a CPU second (what a busy machine leaves of the comparison)`,
    );
    const rowsPer = (all: Measured[], count: number) => (all[0]!.rows / count).toFixed(1);
    console.log(`  rows a ledger: ${rowsPer(ownRates, ledgers)} here, ${rowsPer(goRates, goLedgers)} in Go`);

    const cpu = ownRates.reduce((sum, one) => sum + one.cpuSeconds, 0);
    const total = rounds * ledgers;
    console.log("  milliseconds a ledger, by stage (waits are no work):");
    let known = 0;
    for (const [stage, seconds] of Object.entries(after)) {
      const spent = seconds - (before[stage] ?? 0);
      const wait = stage.endsWith("Wait");
      if (!wait) known += spent;
      console.log(`    ${stage.padEnd(12)} ${((spent * 1000) / total).toFixed(3)}${wait ? "  (wait)" : ""}`);
    }
    console.log(
      `    ${"all others".padEnd(12)} ${(((cpu - known) * 1000) / total).toFixed(3)}  source, Flight writes, collector: CPU that no stage names`,
    );
    console.log(`    ${"CPU in all".padEnd(12)} ${((cpu * 1000) / total).toFixed(3)}`);
    await processor.stop();

    if (kind === "lake" && workers > 1) {
      const single = await start(1);
      stops.push(() => single.kill("SIGKILL"));
      for (let warmed = 0; warmed < WARM_UP_LEDGERS; warmed += ledgers) await own(single, ledgers);
      const alone = median((await Promise.all([own(single, ledgers)])).map((one) => one.ledgersPerSecond));
      console.log(
        `  one worker: ${alone.toFixed(0)} ledgers/s; ${workers} workers are ${((ownRate / alone / workers) * 100).toFixed(0)} % of ${workers} times that`,
      );
      await single.stop();
    }
    reference.stop();
  }
} finally {
  for (const stop of stops.reverse()) stop();
}
console.log(missed === 0 ? "\nall targets met" : `\n${missed} targets missed`);
process.exit(missed === 0 ? 0 : 1);
