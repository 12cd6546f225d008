/**
 * `bun bench/decode-before.ts --before FOLDER`: the decoder beside that of another checkout of this project, by the rounds of
 * bench/decode.ts. Both run on one core and take turns, in pairs of processes that are new every few turns: what the compiler makes of the
 * same sources differs from process to process.
 *
 *   bun bench/decode-before.ts --before ../before [--turns 30] [--processes 10] [--milliseconds 700] [--lake FOLDER]
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ledger58752000 } from "../test/fuzz/ledger-fixtures.ts";
import { writeFrames } from "./support/frames.ts";
import { lakeFolder, ledgersOf, PUBNET } from "./support/ledgers.ts";
import { pairedRatio, pairs } from "./support/pairs.ts";
import { Peer } from "./support/peer.ts";

const DENSE_LEDGERS_MAX = 60; // 110 MB of XDR, a round's worth
const WARM_UP_ROUNDS = 2; // the JIT is done after the first

const { values: flags } = parseArgs({
  options: {
    before: { type: "string" },
    turns: { type: "string", default: "30" },
    processes: { type: "string", default: "10" },
    milliseconds: { type: "string", default: "700" },
    only: { type: "string" },
    lake: { type: "string" },
  },
});
if (flags.before === undefined) throw new Error("--before names a folder with another checkout of this project");
const pin = spawnSync("taskset", ["-c", "1", "true"]).status === 0 ? ["taskset", "-c", "1"] : [];

/** CPU nanoseconds a ledger. */
async function round(peer: Peer): Promise<number> {
  const { cpuNanos, ledgers } = await peer.ask(`round ${flags.milliseconds}`);
  return cpuNanos / ledgers;
}

async function compare(path: string): Promise<number[]> {
  const ratios: number[] = [];
  for (let left = Number(flags.processes); left > 0; left--) {
    const peers = [flags.before!, join(import.meta.dir, "..")].map((root) => {
      const program = [...pin, process.execPath, join(root, "bench/decode-rounds.ts")];
      return new Peer(root, program, { BATCH_ROWS: "1024" });
    });
    const [before, now] = peers as [Peer, Peer];
    for (const peer of peers) {
      await peer.ask(`load ${path} raw ${PUBNET}`);
      for (let i = 0; i < WARM_UP_ROUNDS; i++) await round(peer);
    }
    const turns = Math.ceil((Number(flags.turns) - ratios.length) / left);
    ratios.push(
      ...(await pairs(
        turns,
        () => round(before),
        () => round(now),
      )),
    );
    for (const peer of peers) peer.close();
  }
  return ratios;
}

const scratch = mkdtempSync(join(tmpdir(), "bench-decode-before-"));
const inputs: Record<string, () => Uint8Array[]> = {
  "58752000": () => [ledger58752000()],
  lake: () => ledgersOf(flags.lake ?? lakeFolder()).slice(0, DENSE_LEDGERS_MAX),
};
for (const [name, frames] of Object.entries(inputs)) {
  if (flags.only !== undefined && flags.only !== name) continue;
  const path = join(scratch, name);
  writeFrames(path, frames());
  const ratios = await compare(path);
  console.log(`${name}: ${ratios.length} pairs of turns, CPU by that of ${flags.before}: ${pairedRatio(ratios).text}`);
  console.log(`  ${ratios.map((ratio) => ratio.toFixed(2)).join(" ")}`);
}
rmSync(scratch, { recursive: true });
