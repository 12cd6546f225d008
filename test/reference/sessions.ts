/**
 * Compares the rows of ttl that sessions give with the reference's: by 1, 2 and 4 workers, and from the cursor of every row on,
 * with restarts of the server between them.
 *
 *   bun test/reference/sessions.ts [--network-passphrase PASSPHRASE] [--every N] FILE…
 *
 * Ledgers that follow each other, of one file or of several, are read by one session. Of their cursors each Nth is tried.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { splitBatch } from "../../src/ledger/batch.ts";
import { ledgerHeader } from "../../src/ledger/header.ts";
import { matchNetwork } from "../../src/ledger/network.ts";
import { ArrowCells } from "../../src/rows/arrow-cells.ts";
import type { LedgerObject, LedgerSource } from "../../src/sources/source.ts";
import { records } from "../ledger/shared-ledgers.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { PUBNET } from "../support/networks.ts";
import { reference } from "./reference.ts";

const RESTARTS = 4; // while cursors are tried

const { values: flags, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    "network-passphrase": { type: "string" },
    every: { type: "string", default: "1" },
  },
});

class Ledgers implements LedgerSource {
  readonly description = "ledgers of files";
  readonly seekable = true;

  constructor(
    readonly first: number,
    readonly ledgers: readonly Uint8Array[],
  ) {}

  /** The given one, or the known one that fits; ledgers without transactions are of any. */
  async networkPassphrase(): Promise<string> {
    const fitting = this.ledgers.map((bytes) => matchNetwork(bytes).passphrase).find((found) => found !== undefined);
    return flags["network-passphrase"] ?? fitting ?? PUBNET;
  }

  ledgerLatest(): Promise<number> {
    return Promise.resolve(this.first + this.ledgers.length - 1);
  }

  async *read(start: number, end: number): AsyncGenerator<LedgerObject> {
    for (let ledger = start; ledger <= end; ledger++) {
      const bytes = new Uint8Array(this.ledgers[ledger - this.first]!);
      yield {
        name: `ledger ${ledger}`,
        ledgerFirst: ledger,
        ledgerLast: ledger,
        encoding: "none",
        container: "ledger",
        bytes,
      };
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** One LedgerCloseMeta, a LedgerCloseMetaBatch, or a stream of record-marked ledgers. */
function ledgersOf(file: string): Uint8Array[] {
  const stored = new Uint8Array(readFileSync(file));
  const content = stored[0] === 0x28 ? new Uint8Array(Bun.zstdDecompressSync(stored)) : stored;
  if ((content[0]! & 0x80) !== 0) return records(content);
  const isBatch = new DataView(content.buffer, content.byteOffset).getUint32(0) > 2;
  return isBatch ? [...splitBatch(content)].map(({ bytes }) => bytes) : [content];
}

function sessionsOf(): Ledgers[] {
  const found: Ledgers[] = [];
  for (const bytes of files.flatMap(ledgersOf)) {
    const { sequence } = ledgerHeader(bytes);
    const last = found.at(-1);
    if (last !== undefined && last.first + last.ledgers.length === sequence) (last.ledgers as Uint8Array[]).push(bytes);
    else found.push(new Ledgers(sequence, [bytes]));
  }
  return found;
}

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

const settings = { "verify-chain": "off" };
const request = ({ first, ledgers }: Ledgers, batchSize: number) => ({
  ...{ startLedger: first, endLedger: first + ledgers.length - 1, batchSize, datasets: ["contract_data", "ttl"] },
});

async function whole(source: Ledgers, workers: string): Promise<string[]> {
  const server = await localServer(source, { ...settings, "worker-count": workers });
  const { sessionId } = await server.control.startProcessing(request(source, 0));
  const rows = await Array.fromAsync(rowsOf(server, sessionId, "start"), ({ text }) => text);
  await server.close();
  return rows;
}

/** The first row from each cursor on is the next one. @returns how many cursors */
async function cursors(source: Ledgers, expected: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "contract-data-cursors-"));
  const start = () => localServer(source, { ...settings, "data-dir": folder });
  let server = await start();
  const { sessionId } = await server.control.startProcessing(request(source, 1));
  const rows = await Array.fromAsync(rowsOf(server, sessionId, "start"));
  const every = Number(flags.every);
  const restartEvery = Math.ceil(rows.length / every / RESTARTS);
  let tried = 0;
  for (let at = 0; at < rows.length; at += every) {
    if (++tried % restartEvery === 0) {
      await server.close();
      server = await start();
    }
    const following = rowsOf(server, sessionId, rows[at]!.cursor);
    const next = (await following.next()).value;
    await following.return(undefined);
    if (next?.text !== expected[at + 1])
      throw new Error(`behind row ${at} comes ${next?.text}, not ${expected[at + 1]}`);
  }
  await server.close();
  rmSync(folder, { recursive: true });
  return tried;
}

const expected = reference("rows", files).split("\n").slice(0, -1);
let at = 0;
let tried = 0;
const sessions = sessionsOf();
for (const source of sessions) {
  const rows = await whole(source, "1");
  const own = expected.slice(at, at + rows.length);
  at += rows.length;
  for (const found of [rows, await whole(source, "2"), await whole(source, "4")]) {
    if (found.join("\n") !== own.join("\n")) throw new Error(`ledgers from ${source.first} on have other rows`);
  }
  tried += await cursors(source, own);
}
if (at !== expected.length) throw new Error(`${at} rows came, and the reference has ${expected.length}`);
console.log(
  `${files.length} files, ${sessions.length} sessions by 1, 2 and 4 workers: ${at} rows, from ${tried} cursors on`,
);
process.exit(0);
