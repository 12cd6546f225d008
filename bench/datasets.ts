/**
 * `bun bench/datasets.ts [--turns 30]`: what the dataset ttl costs beside contract_data: sessions of contract_data alone and of
 * both over the same dense ledgers take turns on one server, and Go clients read all of each. The ratio of the server's CPU is looked at pair
 * by pair.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DATASETS, type Dataset } from "../src/vocabulary/dataset.ts";
import { goClient } from "../test/clients/toolchain.ts";
import { startProcessor } from "../test/support/processor.ts";
import { denseLedgers, PUBNET, writeLake } from "./support/ledgers.ts";
import { pairedRatio, pairs } from "./support/pairs.ts";
import { Report } from "./support/report.ts";
import { sessionTurn } from "./support/session-turn.ts";

const FIRST = 64_000_000; // of the made lake

const { values: flags } = parseArgs({
  options: {
    turns: { type: "string", default: "30" },
    ledgers: { type: "string", default: "400" },
    "warm-up": { type: "string", default: "10" },
  },
});
const [turns, ledgers] = [Number(flags.turns), Number(flags.ledgers)];

const client = await goClient();
if (client.command === undefined) {
  console.log(`skipped: ${client.missing}`);
  process.exit(0);
}
const { command } = client;

const report = new Report("datasets");
const scratch = mkdtempSync(join(tmpdir(), "bench-datasets-"));
writeLake(join(scratch, "lake"), denseLedgers(), FIRST, ledgers);
const server = await startProcessor([
  `--source-endpoint=${join(scratch, "lake")}`,
  `--network-passphrase=${PUBNET}`,
  "--worker-count=2",
]);
const range = { startLedger: FIRST, endLedger: FIRST + ledgers - 1 };
const rows = new Map<Dataset, number>();

/** The server's CPU seconds for one session over all ledgers. */
async function turn(datasets: readonly Dataset[]): Promise<number> {
  const read = await sessionTurn(server, command, range, datasets);
  for (const [dataset, count] of read.rows) rows.set(dataset, count);
  return read.seconds;
}

try {
  const one = () => turn(["contract_data"]);
  const both = () => turn(DATASETS);
  await pairs(Number(flags["warm-up"]), one, both);
  const ratios = await pairs(turns, one, both);
  const { mean, text } = pairedRatio(ratios);
  const perLedger = [...rows].map(([dataset, count]) => `${(count / ledgers).toFixed(0)} rows of ${dataset}`);
  console.log(`${turns} pairs of turns of ${ledgers} ledgers of ${perLedger.join(" and ")}`);
  console.log(`  CPU of a session of both to that of one: ${text}`);
  report.figure("CPU of both datasets", ratios, mean);
} finally {
  await server.stop();
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(report.finish());
