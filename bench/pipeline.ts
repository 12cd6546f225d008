/**
 * `make bench-pipeline`: lake → decode → Flight → a fast client, and the same from a grpc-go source of raw ledgers,
 * beside a Go service of the same shape (go/pipeline) on the same ledgers, cores and client in one run. Rates of a busy
 * machine mean little by themselves; the ratios are what is looked at.
 *
 *   bun bench/pipeline.ts [--ledgers 800] [--go-ledgers 200] [--rounds 3] [--workers 2] [--only lake|raw]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectControl } from "../src/control/client.ts";
import { goClient, runClient } from "../test/clients/toolchain.ts";
import { type Processor, startProcessor } from "../test/support/processor.ts";
import { writeFrames } from "./support/frames.ts";
import { buildGoPrograms, startGoProgram } from "./support/go-program.ts";
import { denseLedgers, PUBNET, writeLake } from "./support/ledgers.ts";
import { cpuSeconds } from "./support/process-cpu.ts";
import { Report } from "./support/report.ts";
import { median } from "./support/result.ts";
import { threadCpuSeconds } from "./support/thread-cpu.ts";

const FIRST = 64_000_000; // of the made lake
const WARM_UP_LEDGERS = 8000; // some 15 s: until the compiler's threads take a few percent, as in a server that runs for days

const { values: flags } = parseArgs({
  options: {
    ledgers: { type: "string", default: "800" },
    "go-ledgers": { type: "string", default: "200" },
    rounds: { type: "string", default: "3" },
    workers: { type: "string", default: "2" },
    only: { type: "string" },
  },
});
const ledgers = Number(flags.ledgers);
const goLedgers = Number(flags["go-ledgers"]);
const rounds = Number(flags.rounds);
const workers = Number(flags.workers);

interface Stage {
  wallSeconds: number;
  cpuSeconds: number;
}

async function stageSeconds(processor: Processor): Promise<Map<string, Stage>> {
  const text = await (await fetch(`http://${processor.http}/metrics`)).text();
  const read = (metric: string) => {
    const found = text.matchAll(new RegExp(`^${metric}\\{stage="(\\w+)"\\} (\\S+)$`, "gm"));
    return new Map([...found].map((match) => [match[1]!, Number(match[2])]));
  };
  const cpu = read("contract_data_stage_cpu_seconds_total");
  return new Map(
    [...read("contract_data_stage_seconds_total")].map(([stage, wallSeconds]) => [
      stage,
      { wallSeconds, cpuSeconds: cpu.get(stage) ?? 0 },
    ]),
  );
}

/** Where a ledger's time goes, by stage and by thread. */
function printTimes(
  ledgers: number,
  cpuSecondsInAll: number,
  stages: [before: Map<string, Stage>, after: Map<string, Stage>],
  threads: [before: Record<string, number>, after: Record<string, number>],
): void {
  const ms = (seconds: number) => ((seconds * 1000) / ledgers).toFixed(3).padStart(9);
  console.log("  milliseconds a ledger, by stage:   wall      CPU");
  let named = 0;
  for (const [stage, after] of stages[1]) {
    const before = stages[0].get(stage);
    const wall = after.wallSeconds - (before?.wallSeconds ?? 0);
    const cpu = after.cpuSeconds - (before?.cpuSeconds ?? 0);
    named += cpu;
    console.log(`    ${stage.padEnd(26)} ${ms(wall)}${stage.endsWith("Wait") ? "" : ms(cpu)}`);
  }
  console.log(`    ${"in no stage".padEnd(26)} ${" ".repeat(9)}${ms(cpuSecondsInAll - named)}`);
  console.log(`    ${"in all".padEnd(26)} ${" ".repeat(9)}${ms(cpuSecondsInAll)}`);
  console.log("  the same CPU by thread:");
  for (const [role, after] of Object.entries(threads[1])) {
    console.log(`    ${role.padEnd(26)} ${" ".repeat(9)}${ms(after - (threads[0][role] ?? 0))}`);
  }
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

/** Until what is hot is compiled; answers with the rate of the first ledgers after the start. */
async function warmUp(processor: Processor): Promise<number> {
  const { ledgersPerSecond } = await own(processor, ledgers);
  for (let warmed = ledgers; warmed < WARM_UP_LEDGERS; warmed += ledgers) await own(processor, ledgers);
  return ledgersPerSecond;
}

const report = new Report("pipeline");
const scratch = mkdtempSync(join(tmpdir(), "bench-pipeline-"));
const stops: Array<() => void> = [() => rmSync(scratch, { recursive: true, force: true })];
try {
  buildGoPrograms(scratch, ["pipeline", "rawsource"]);
  const from = denseLedgers();
  const xdrMb = from.reduce((sum, bytes) => sum + bytes.length, 0) / from.length / 1e6;
  console.log(`${ledgers} ledgers, ${xdrMb.toFixed(2)} MB of XDR each; ${workers} workers; ${rounds} rounds, medians`);
  writeLake(join(scratch, "lake"), from, FIRST, ledgers);
  writeFrames(join(scratch, "frames"), from);

  for (const kind of ["lake", "raw"] as const) {
    if (flags.only !== undefined && flags.only !== kind) continue;
    const raw =
      kind === "raw" ? await startGoProgram([join(scratch, "rawsource"), join(scratch, "frames")]) : undefined;
    if (raw !== undefined) stops.push(raw.stop);
    const goSource = raw === undefined ? ["-lake", join(scratch, "lake")] : ["-raw", raw.address];
    const reference = await startGoProgram([
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
        `--source-endpoint=${raw?.address ?? join(scratch, "lake")}`,
        `--network-passphrase=${PUBNET}`,
        "--include-deleted",
        `--worker-count=${count}`,
      ]);
    const processor = await start(workers);
    stops.push(() => processor.kill("SIGKILL"));
    const cold = await warmUp(processor);
    const ownRates: Measured[] = [];
    const goRates: Measured[] = [];
    const before = await stageSeconds(processor);
    const threadsBefore = threadCpuSeconds(processor.pid);
    for (let round = 0; round < rounds; round++) {
      ownRates.push(await own(processor, ledgers));
      goRates.push(await timed(reference.pid, goLedgers, () => get(reference.address, "x")));
    }
    const after = await stageSeconds(processor);
    const threads = threadCpuSeconds(processor.pid);
    const ownRate = median(ownRates.map(({ ledgersPerSecond }) => ledgersPerSecond));
    const goRate = median(goRates.map(({ ledgersPerSecond }) => ledgersPerSecond));
    const ratio = ownRate / goRate;
    console.log(`\n${kind === "lake" ? "from a lake" : "from a grpc-go source"}`);
    const line = (name: string, rate: number, all: Measured[]) => {
      const cpu = median(all.map((one) => one.cpuSeconds / one.wallSeconds));
      console.log(
        `  ${name.padEnd(12)} ${rate.toFixed(0).padStart(6)} ledgers/s  ${(rate * xdrMb).toFixed(0).padStart(5)} MB/s of XDR  ${(rate / cpu).toFixed(0).padStart(5)} ledgers/CPU s  ${cpu.toFixed(2)} cores`,
      );
    };
    line("this server", ownRate, ownRates);
    line("Go", goRate, goRates);
    console.log(`  just started, this server has ${cold.toFixed(0)} ledgers/s over its first ${ledgers}`);
    console.log(`  ${ratio.toFixed(1)} times the Go service`);
    const perCpu = (one: Measured) => one.ledgersPerSecond / (one.cpuSeconds / one.wallSeconds);
    const times = (of: (one: Measured) => number) => ownRates.map((one, round) => of(one) / of(goRates[round]!));
    const source = kind === "lake" ? "lake" : "gRPC";
    report.figure(
      `${source}, ledgers a second`,
      times((one) => one.ledgersPerSecond),
    );
    report.figure(`${source}, ledgers a CPU second`, times(perCpu));
    report.figure(`${source}, just started`, [cold / ownRate]);
    console.log(
      `  ${median(times(perCpu)).toFixed(1)} times as many ledgers a CPU second (what a busy machine leaves of the comparison)`,
    );
    const rowsPer = (all: Measured[], count: number) => (all[0]!.rows / count).toFixed(1);
    console.log(`  rows a ledger: ${rowsPer(ownRates, ledgers)} here, ${rowsPer(goRates, goLedgers)} in Go`);

    const cpu = ownRates.reduce((sum, one) => sum + one.cpuSeconds, 0);
    printTimes(rounds * ledgers, cpu, [before, after], [threadsBefore, threads]);
    await processor.stop();

    if (kind === "lake" && workers > 1) {
      const single = await start(1);
      stops.push(() => single.kill("SIGKILL"));
      await warmUp(single);
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
process.exit(report.finish());
