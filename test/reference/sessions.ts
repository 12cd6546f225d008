/**
 * Compares the rows of ttl that sessions give with the reference's: by 1, 2 and 4 workers, and from the cursor of every row on,
 * with restarts of the server between them.
 *
 *   bun test/reference/sessions.ts [--network-passphrase PASSPHRASE] [--every N] FILE…
 *
 * Ledgers that follow each other, of one file or of several, are read by one session. Of their cursors each Nth is tried.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ArrowCells } from "../../src/rows/arrow-cells.ts";
import type { LocalServer } from "../support/local-server.ts";
import { type LedgerRun, RunServers, runsOf } from "./ledger-files.ts";
import { reference } from "./reference.ts";

const RESTARTS = 12; // while cursors are tried

const { values: flags, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    "network-passphrase": { type: "string" },
    every: { type: "string", default: "1" },
  },
});

interface Row {
  text: string;
  /** Behind its batch. */
  cursor: string;
}

async function* rowsOf({ flight }: LocalServer, session: string, from: string): AsyncGenerator<Row> {
  const ticket = Buffer.from(JSON.stringify({ session, dataset: "ttl", from }));
  for await (const { table, metadata } of flight.doGet(ticket)) {
    const cells = new ArrowCells(table);
    for (let row = 0; row < table.numRows; row++) {
      const text = cells.columns.map((name) => String(cells.value(row, name) ?? "")).join("\t");
      yield { text, cursor: metadata.cursor };
    }
  }
}

/** Reads all of both datasets: what nobody reads of one would hold the other back. @returns the rows of ttl */
async function readAll(server: LocalServer, session: string): Promise<Row[]> {
  const drain = async () => {
    for await (const _ of server.flight.doGet(Buffer.from(JSON.stringify({ session, from: "start" })))) {
    }
  };
  const [rows] = await Promise.all([Array.fromAsync(rowsOf(server, session, "start")), drain()]);
  return rows;
}

const request = ({ first, last }: LedgerRun, batchSize: number) => ({
  ...{ startLedger: first, endLedger: last, batchSize, datasets: ["contract_data", "ttl"] },
});

async function whole(run: LedgerRun, servers: RunServers): Promise<string> {
  const server = await servers.reading(run);
  const { sessionId } = await server.control.startProcessing(request(run, 0));
  const rows = await readAll(server, sessionId);
  return rows.map(({ text }) => text).join("\n");
}

let tried = 0;

/** The first row from each cursor on is the next one. */
async function tryCursors(run: LedgerRun, expected: readonly string[], servers: RunServers): Promise<void> {
  let server = await servers.reading(run);
  const { sessionId } = await server.control.startProcessing(request(run, 1));
  const rows = await readAll(server, sessionId);
  for (let at = 0; at < rows.length; at += every) {
    if (++tried % restartEvery === 0) {
      await servers.close();
      server = await servers.reading(run);
    }
    const following = rowsOf(server, sessionId, rows[at]!.cursor);
    const next = (await following.next()).value;
    await following.return(undefined);
    if (next?.text !== expected[at + 1])
      throw new Error(`behind row ${at} comes ${next?.text}, not ${expected[at + 1]}`);
  }
}

const every = Number(flags.every);
const expected = reference("rows", files).split("\n").slice(0, -1);
const restartEvery = Math.ceil(expected.length / every / RESTARTS);
const folder = mkdtempSync(join(tmpdir(), "contract-data-cursors-"));
const byWorkers = ["1", "2", "4"].map((workers) => new RunServers({ "worker-count": workers }));
const kept = new RunServers({}, folder);
let at = 0;
const runs = runsOf(files, flags["network-passphrase"]);
for (const run of runs) {
  const [found, ...others] = await Promise.all(byWorkers.map((servers) => whole(run, servers)));
  const count = found === "" ? 0 : found!.split("\n").length;
  const own = expected.slice(at, at + count);
  at += count;
  if ([found, ...others].some((rows) => rows !== own.join("\n"))) {
    throw new Error(`ledgers from ${run.first} on have other rows`);
  }
  if (count > 0) await tryCursors(run, own, kept);
}
if (at !== expected.length) throw new Error(`${at} rows came, and the reference has ${expected.length}`);
for (const servers of [...byWorkers, kept]) await servers.close();
rmSync(folder, { recursive: true });
console.log(
  `${files.length} files, ${runs.length} sessions by 1, 2 and 4 workers: ${at} rows, from ${tried} cursors on, over ${RESTARTS} restarts`,
);
process.exit(0);
