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
import { Report } from "./support/report.ts";
import { median } from "./support/result.ts";

const root = join(import.meta.dir, "..");
const LAKE = join(root, "../shared/ledgers/lake");
const WARM_UP_ROUNDS = 2; // the JIT is done after the first
const NOTHING_MATCHES = "no contract";
const NO_ASSET = "no asset";
const WALK = "walk";

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

type Count = "ledgers" | "bytes" | "rows";
/** Rounds by peer. */
type Rounds = Map<string, Round[]>;

const report = new Report("decode");
const scratch = mkdtempSync(join(tmpdir(), "bench-decode-"));
const peers = startPeers();
try {
  describeMachine();
  for (const input of inputs()) reportFigures(input.name, await measure(input));
  process.exitCode = report.finish();
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

async function measure(input: Input): Promise<Rounds> {
  const path = join(scratch, input.name);
  writeFrames(path, input.frames);
  for (const peer of peers) await peer.ask(`load ${path} ${input.form} ${input.passphrase}`);
  await compareRows(input);
  const rounds: Rounds = new Map(peers.map((peer) => [peer.name, []]));
  for (let i = -WARM_UP_ROUNDS; i < Number(flags.rounds); i++) {
    for (const peer of peers) {
      const round = await peer.ask(`round ${flags.milliseconds}`);
      if (i >= 0) rounds.get(peer.name)!.push(round);
    }
  }
  rmSync(path);
  print(rounds);
  return rounds;
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

/** Of each round, in the order of the rounds. */
function perCpuSecond(all: readonly Round[], count: Count): number[] {
  return all.map((round) => (round[count] / round.cpuNanos) * 1e9);
}

function print(rounds: Rounds): void {
  const line = (...cells: string[]): void =>
    console.log(cells.map((cell, i) => cell.padStart(i === 0 ? 12 : 15)).join(""));
  line("", "ledgers/s", "MB/s", "rows/s median", "rows/s min", "rows/s max", "wall/CPU", "own is");
  const own = median(perCpuSecond(rounds.get("own")!, "ledgers"));
  for (const [name, all] of rounds) {
    const rows = perCpuSecond(all, "rows");
    const ledgers = median(perCpuSecond(all, "ledgers"));
    line(
      name,
      number(ledgers),
      number(median(perCpuSecond(all, "bytes")) / 1e6),
      number(median(rows)),
      number(Math.min(...rows)),
      number(Math.max(...rows)),
      median(all.map((round) => round.wallNanos / round.cpuNanos)).toFixed(2),
      name === "own" ? "" : `${(own / ledgers).toFixed(2)} times`,
    );
  }
  console.log();
}

function reportFigures(input: string, rounds: Rounds): void {
  const rates = (peer: string, count: Count) => perCpuSecond(rounds.get(peer)!, count);
  const times = (peer: string, other: string) => {
    const others = rates(other, "ledgers");
    return rates(peer, "ledgers").map((rate, round) => rate / others[round]!);
  };
  if (input === "58752000") {
    report.figure("58752000, rows a CPU second", times("own", "reader"));
    report.figure("58752000, rows a CPU second, views", times("own", "views"));
    report.figure(
      "58752000, GB a CPU second",
      rates("own", "bytes").map((rate) => rate / 1e9),
    );
  }
  if (input === "lake" || input === "lake.zst") {
    report.figure(`${input}, rows a CPU second`, rates("own", "rows"));
    report.figure(`${input}, rows a CPU second, views`, times("own", "views"));
  }
  if (input === "58752000" || input === "load-test" || input === "lake") {
    report.figure(`${input}, where nothing matches`, times(NOTHING_MATCHES, WALK));
  }
}

function number(value: number): string {
  return value < 100 ? value.toFixed(2) : Math.round(value).toLocaleString("en-US");
}
