/**
 * `make bench-decode`: ledgers to the columns of schema version 1 on one core, beside two Go programs on the same
 * ledgers in the same run. See README.md for what is measured and how to read it.
 *
 *   bun bench/decode.ts [--rounds 7] [--milliseconds 1500] [--only 58752000,lake] [--batch-rows 1024]
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { splitBatch } from "../src/ledger/batch.ts";
import { ledger58752000, loadTestLedgers } from "../test/fuzz/ledger-fixtures.ts";
import { LOAD_TEST, PUBNET } from "../test/support/networks.ts";
import { writeFrames } from "./support/frames.ts";
import { Peer, type Round } from "./support/peer.ts";

const root = join(import.meta.dir, "..");
const LAKE = join(root, "../shared/ledgers/lake");
const WARM_UP_ROUNDS = 2; // the JIT is done after the first
const NOTHING_MATCHES = "no contract";
const NO_ASSET = "no asset";
const WALK = "walk";
/** A filter is asked about each change of contract data; the walk alone knows none, so this is a little below 1. */
const NOTHING_MATCHES_TIMES_MIN = 0.8;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    milliseconds: { type: "string", default: "1500" },
    only: { type: "string" },
    // about a megabyte of columns, as the server sends
    "batch-rows": { type: "string", default: "1024" },
  },
});

interface Input {
  name: string;
  form: "raw" | "zstd";
  passphrase: string;
  frames: Uint8Array[];
}

/** A target of the own decoder on one input: either a rate, or a multiple of another decoder's. */
interface Target {
  input: string;
  what: string;
  of: (rates: Record<string, Rate>) => number;
  least: number;
}

interface Rate {
  ledgers: number;
  megabytes: number;
  rows: number;
}

const TARGETS: readonly Target[] = [
  { input: "58752000", what: "times the Go reader", of: (r) => r.own!.rows / r.reader!.rows, least: 20 },
  { input: "58752000", what: "times the Go views", of: (r) => r.own!.rows / r.views!.rows, least: 1 },
  { input: "58752000", what: "GB/s", of: (r) => r.own!.megabytes / 1000, least: 1.5 },
  { input: "lake", what: "rows/s", of: (r) => r.own!.rows, least: 400_000 },
  { input: "lake", what: "times the Go views", of: (r) => r.own!.rows / r.views!.rows, least: 1 },
  { input: "lake.zst", what: "rows/s", of: (r) => r.own!.rows, least: 250_000 },
  { input: "lake.zst", what: "times the Go views", of: (r) => r.own!.rows / r.views!.rows, least: 1 },
  ...["58752000", "load-test", "lake"].map((input) => ({
    input,
    what: "times the walk alone, where nothing matches",
    of: (r: Record<string, Rate>) => r[NOTHING_MATCHES]!.ledgers / r[WALK]!.ledgers,
    least: NOTHING_MATCHES_TIMES_MIN,
  })),
];

const scratch = mkdtempSync(join(tmpdir(), "bench-decode-"));
const peers = startPeers();
try {
  const rates: Record<string, Record<string, Rate>> = {};
  describeMachine();
  for (const input of inputs()) rates[input.name] = await measure(input);
  printTargets(rates);
} finally {
  for (const peer of peers) peer.close();
  rmSync(scratch, { recursive: true, force: true });
}

/** Ours and the Go programs, built here: each in a process of its own, on one core where the system can hold it there. */
function startPeers(): Peer[] {
  const go = join(import.meta.dir, "go");
  const built = spawnSync("go", ["build", "-o", `${scratch}/`, "./reader", "./views"], { cwd: go, stdio: "inherit" });
  if (built.status !== 0) throw new Error("the Go programs could not be built: this benchmark needs Go 1.26");
  const pin = spawnSync("taskset", ["-c", "0", "true"]).status === 0 ? ["taskset", "-c", "0"] : [];
  const own = [...pin, process.execPath, join(import.meta.dir, "decode-rounds.ts")];
  const env = { GOMAXPROCS: "1", BATCH_ROWS: flags["batch-rows"] };
  return [
    new Peer("own", own, env),
    new Peer(NOTHING_MATCHES, own, { ...env, WORK: NOTHING_MATCHES }),
    new Peer(NO_ASSET, own, { ...env, WORK: NO_ASSET }),
    new Peer(WALK, own, { ...env, WORK: "walk" }),
    new Peer("views", [...pin, join(scratch, "views")], env),
    new Peer("views+check", [...pin, join(scratch, "views"), "-validate"], env),
    new Peer("reader", [...pin, join(scratch, "reader")], env),
  ];
}

function inputs(): Input[] {
  const all: Input[] = [
    { name: "58752000", form: "raw", passphrase: PUBNET, frames: [ledger58752000()] },
    { name: "load-test", form: "raw", passphrase: LOAD_TEST, frames: loadTestLedgers() },
  ];
  if (existsSync(LAKE)) {
    const files = readdirSync(LAKE, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith(".zst"))
      .sort()
      .reverse()
      .map((name) => new Uint8Array(readFileSync(join(LAKE, name))));
    const ledgers = files.flatMap((file) =>
      [...splitBatch(Bun.zstdDecompressSync(file))].map((ledger) => ledger.bytes),
    );
    all.push({ name: "lake", form: "raw", passphrase: PUBNET, frames: ledgers });
    all.push({ name: "lake.zst", form: "zstd", passphrase: PUBNET, frames: files });
  } else {
    console.log("../shared/ledgers/lake is not there: its rounds are left out");
  }
  const only = flags.only?.split(",");
  return only === undefined ? all : all.filter((input) => only.includes(input.name));
}

function describeMachine(): void {
  const bun = process.versions.bun;
  const go = spawnSync("go", ["env", "GOVERSION"], { encoding: "utf8" }).stdout.trim();
  console.log(`${cpus().length} cores, ${cpus()[0]?.model.trim() ?? "unknown"}; Bun ${bun}, ${go}`);
  console.log(`${flags.rounds} rounds of ${flags.milliseconds} ms each, in turn; rates are per CPU second\n`);
}

async function measure(input: Input): Promise<Record<string, Rate>> {
  const path = join(scratch, input.name);
  writeFrames(path, input.frames);
  for (const peer of peers) await peer.ask(`load ${path} ${input.form} ${input.passphrase}`);
  await compareRows(input);
  const rounds = new Map<string, Round[]>(peers.map((peer) => [peer.name, []]));
  for (let i = -WARM_UP_ROUNDS; i < Number(flags.rounds); i++) {
    for (const peer of peers) {
      const round = await peer.ask(`round ${flags.milliseconds}`);
      if (i >= 0) rounds.get(peer.name)!.push(round);
    }
  }
  rmSync(path);
  return report(rounds);
}

/** Every decoder must have found the same rows, or a comparison of their speed says nothing. */
async function compareRows(input: Input): Promise<void> {
  const found: string[] = [];
  const readers = peers.filter(({ name }) => ![NOTHING_MATCHES, NO_ASSET, WALK].includes(name));
  for (const peer of readers) {
    const { rows, ledgers, digest } = await peer.ask("digest");
    found.push(`${ledgers} ledgers, ${rows} rows, sha256 ${digest}`);
  }
  if (new Set(found).size !== 1) {
    throw new Error(
      `${input.name}: the rows differ\n${readers.map((peer, i) => `  ${peer.name}: ${found[i]}`).join("\n")}`,
    );
  }
  console.log(`${input.name}: ${found[0]}, the same from all`);
}

function report(rounds: Map<string, Round[]>): Record<string, Rate> {
  const rates: Record<string, Rate> = {};
  const line = (...cells: string[]): void =>
    console.log(cells.map((cell, i) => cell.padStart(i === 0 ? 12 : 15)).join(""));
  line("", "ledgers/s", "MB/s", "rows/s median", "rows/s min", "rows/s max", "wall/CPU", "own is");
  for (const [name, all] of rounds) {
    const perSecond = (count: (round: Round) => number): number[] =>
      all.map((round) => (count(round) / round.cpuNanos) * 1e9).sort((a, b) => a - b);
    const rows = perSecond((round) => round.rows);
    const rate = {
      ledgers: median(perSecond((round) => round.ledgers)),
      megabytes: median(perSecond((round) => round.bytes / 1e6)),
      rows: median(rows),
    };
    rates[name] = rate;
    line(
      name,
      number(rate.ledgers),
      number(rate.megabytes),
      number(rate.rows),
      number(rows[0]!),
      number(rows.at(-1)!),
      median(all.map((round) => round.wallNanos / round.cpuNanos).sort((a, b) => a - b)).toFixed(2),
      name === "own" ? "" : `${(rates.own!.ledgers / rate.ledgers).toFixed(2)} times`,
    );
  }
  console.log();
  return rates;
}

function printTargets(rates: Record<string, Record<string, Rate>>): void {
  for (const { input, what, of, least } of TARGETS) {
    const measured = rates[input];
    if (measured === undefined) continue;
    const value = of(measured);
    console.log(
      `${value >= least ? "reached" : "MISSED "}  ${input}: ${number(value)} ${what}, target ${number(least)}`,
    );
  }
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function number(value: number): string {
  return value < 100 ? value.toFixed(2) : Math.round(value).toLocaleString("en-US");
}
