/**
 * Folds both datasets, as sessions give them with 1, 2 and 4 workers, and compares what is there, live and expired, with a fold by
 * the reference.
 *
 *   bun test/reference/states.ts [--network-passphrase PASSPHRASE] [FILE…]
 *
 * Each file is a world of its own. Without files it makes a chained lake of 200 ledgers.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DATASETS } from "../../src/vocabulary/dataset.ts";
import { NETWORK } from "../ledger/build.ts";
import { Fold } from "../support/fold.ts";
import { LivingWorld } from "../support/living-world.ts";
import { type LedgerRun, RunServers, runsOf } from "./ledger-files.ts";
import { reference } from "./reference.ts";

const FIRST = 1000; // of the chained lake
const LAST = 1199;
const WORKERS = ["1", "2", "4"];

const { values: flags, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { "network-passphrase": { type: "string" } },
});

/** Reads both datasets of a run by a session, each by itself, and folds contract_data first. */
async function foldRun(run: LedgerRun, servers: RunServers, fold: Fold): Promise<void> {
  const { control, flight } = await servers.reading(run);
  const range = { startLedger: run.first, endLedger: run.last };
  const { sessionId: session } = await control.startProcessing({
    ...{ ...range, datasets: [...DATASETS], schemaVersion: 2 },
  });
  const read = async (dataset: string) => {
    const rows: Record<string, unknown>[] = [];
    const ticket = Buffer.from(JSON.stringify({ session, dataset, from: "start" }));
    for await (const { table } of flight.doGet(ticket)) {
      for (const row of table.toArray()) rows.push({ ...row.toJSON() });
    }
    return rows;
  };
  const [data, ttl] = await Promise.all(DATASETS.map(read));
  for (const row of data!) fold.data(row);
  for (const row of ttl!) fold.ttl(row);
}

const byWorkers = new Map(WORKERS.map((workers) => [workers, new RunServers({ "worker-count": workers })]));
/** Lines of a state by the word at their end. */
const counts = new Map<string, number>();

/** Whether a world folds to the same by every number of workers. */
async function isSame(name: string, files: readonly string[], network: string | undefined): Promise<boolean> {
  const expected = reference("state", files).split("\n").filter(Boolean);
  for (const line of expected) {
    const word = line.split("\t")[3]!;
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const runs = runsOf(files, network);
  for (const [workers, servers] of byWorkers) {
    const fold = new Fold();
    for (const run of runs) await foldRun(run, servers, fold);
    const own = fold.lines(runs.at(-1)!.last);
    if (own.join("\n") === expected.join("\n")) continue;
    const at = own.findIndex((line, i) => line !== expected[i]);
    console.error(`${name}, ${workers} workers: ${own.length} entries, not ${expected.length}; entry ${at} is`);
    console.error(`  ${own[at]}, not\n  ${expected[at]}`);
    return false;
  }
  return true;
}

/** Files of the lake that is made. */
function chained(folder: string): string[] {
  const world = new LivingWorld(FIRST, 20_251_128);
  return Array.from({ length: LAST - FIRST + 1 }, (_, i) => {
    const file = join(folder, `${FIRST + i}.xdr`);
    writeFileSync(file, world.ledger(FIRST + i));
    return file;
  });
}

let differing = 0;
if (files.length === 0) {
  const folder = mkdtempSync(join(tmpdir(), "contract-data-states-"));
  if (!(await isSame("the chained lake", chained(folder), NETWORK))) differing += 1;
  rmSync(folder, { recursive: true });
} else {
  for (const file of files) if (!(await isSame(file, [file], flags["network-passphrase"]))) differing += 1;
}
for (const servers of byWorkers.values()) await servers.close();
const entries = [...counts].map(([word, count]) => `${count} ${word}`).join(", ");
console.log(
  `${files.length || 1} worlds by ${WORKERS.join(", ")} workers: ${entries || "no"} entries; ${differing} differ`,
);
process.exit(differing === 0 ? 0 : 1);
