/** `decode` of a pipe with a slow writer: the rows of each whole ledger at once, then what is wrong where it is cut. */
import { afterAll, describe, expect, test } from "bun:test";
import { constants, promises as fs, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGzip, createZstdCompress, constants as zlibConstants } from "node:zlib";
import { RecordBatchReader, tableFromIPC } from "apache-arrow";
import { COMMANDS } from "../../src/main.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import { PUBNET } from "../support/networks.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { cli } from "./harness.ts";
import { beginCommand } from "./running.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-pipes-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The sample's ledgers that have rows, and how many rows the ledgers up to each have. */
const ledgers: Uint8Array[] = [];
const rowsUpTo: number[] = [];
for await (const { bytes } of (await openLedgerInput(SAMPLE.folder)).ledgers) ledgers.push(bytes.slice());
const oracle = (await cli(["decode", "--format", "ndjson", SAMPLE.folder], COMMANDS)).out.trimEnd().split("\n");
for (let ledger = SAMPLE.first; ledger <= SAMPLE.last; ledger++) {
  rowsUpTo.push(oracle.filter((row) => JSON.parse(row).ledger_sequence <= ledger).length);
}

/** How the containers that hold a stream of ledgers write one ledger. */
const CONTAINERS = {
  "record-marked stream": (ledger: Uint8Array) => {
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE((0x80000000 | ledger.length) >>> 0);
    return Buffer.concat([mark, ledger]);
  },
  "base64 lines": (ledger: Uint8Array) => Buffer.from(`${Buffer.from(ledger).toString("base64")}\n`),
} as const;

/** How bytes are stored; what is written is flushed. */
const ENCODINGS = {
  "as it is": () => async (bytes: Uint8Array) => bytes,
  gzip: () => flushing(createGzip(), zlibConstants.Z_SYNC_FLUSH),
  zstd: () => flushing(createZstdCompress(), zlibConstants.ZSTD_e_flush),
} as const;

function flushing(encoder: ReturnType<typeof createGzip> | ReturnType<typeof createZstdCompress>, kind: number) {
  const chunks: Buffer[] = [];
  encoder.on("data", (chunk: Buffer) => chunks.push(chunk));
  return async (bytes: Uint8Array) => {
    encoder.write(bytes);
    await new Promise<void>((resolve) => encoder.flush(kind, resolve));
    await new Promise((resolve) => setImmediate(resolve));
    return Buffer.concat(chunks.splice(0));
  };
}

/** How many rows the output has. */
const COUNTS = {
  tsv: (out: Buffer) => linesOf(out),
  ndjson: (out: Buffer) => linesOf(out),
  table: (out: Buffer) => Math.max(0, linesOf(out) - 2),
  arrow: (out: Buffer) => (out.length === 0 ? 0 : tableFromIPC(out).numRows),
} as const;

const linesOf = (out: Buffer) => out.toString().split("\n").length - 1;

let pipes = 0;

/** A command that reads a new pipe, and what writes into it. */
async function piped(...flags: string[]) {
  const path = join(scratch, `pipe-${pipes++}`);
  Bun.spawnSync(["mkfifo", path]);
  const command = beginCommand(["decode", path, ...flags]);
  const writer = await fs.open(path, constants.O_WRONLY);
  return { command, writer, path };
}

describe("rows of whole ledgers at once, and the end where it is cut", () => {
  for (const [container, written] of Object.entries(CONTAINERS)) {
    for (const [encoding, encoded] of Object.entries(ENCODINGS)) {
      for (const [format, count] of Object.entries(COUNTS)) {
        if (encoding !== "as it is" && format !== "ndjson" && format !== "arrow") continue; // they are one way
        test(`${container}, ${encoding}, as ${format}`, async () => {
          const { command, writer, path } = await piped("--format", format, "--network-passphrase", PUBNET);
          const store = encoded();
          for (const [index, ledger] of ledgers.entries()) {
            if (rowsUpTo[index] === 0) continue; // nothing to wait for
            await writer.write(await store(written(ledger)));
            await until(() => count(command.out()) === rowsUpTo[index], `${rowsUpTo[index]} rows of ledger ${index}`);
          }
          await writer.write(await store(written(ledgers.at(-1)!).subarray(0, 5_001)));
          await writer.close();
          expect(await command.ended).toBe(1);
          expect(command.err()).toStartWith(`contract-data-processor: ${path}`);
          expect(count(command.out())).toBe(SAMPLE.rows);
        }, 60_000);
      }
    }
  }
});

test("a pipe that drips a byte at a time at its beginning", async () => {
  const { command, writer } = await piped("--format", "ndjson", "--network-passphrase", PUBNET);
  const store = ENCODINGS.zstd();
  const bytes = await store(CONTAINERS["record-marked stream"](ledgers.at(-1)!));
  for (const byte of bytes.subarray(0, 300)) await writer.write(Uint8Array.of(byte));
  await writer.write(bytes.subarray(300));
  await until(() => linesOf(command.out()) > 0, "the ledger's rows");
  await writer.close();
  await command.ended;
});

test("a pipe that never gives a byte: an interrupt ends it with 130", async () => {
  const { command, writer } = await piped("--format", "arrow");
  await Bun.sleep(50); // for the read to be there; it works out either way
  command.interrupt();
  expect([await command.ended, command.err()]).toEqual([130, ""]);
  await writer.close();
});

test("an interrupted Arrow stream has the rows so far and its end", async () => {
  const { command, writer } = await piped("--format", "arrow");
  for (const ledger of ledgers) await writer.write(CONTAINERS["record-marked stream"](ledger));
  await until(() => command.out().length > 0 && tableFromIPC(command.out()).numRows === SAMPLE.rows, "all rows");
  command.interrupt();
  expect(await command.ended).toBe(130);
  expect(RecordBatchReader.from(command.out()).readAll().length).toBeGreaterThan(0);
  expect(command.out().subarray(-8).toString("hex")).toBe("ffffffff00000000");
  await writer.close();
});

test("with --end-ledger it ends at that ledger, not at the pipe's end", async () => {
  const { command, writer } = await piped("--format", "ndjson", "--end-ledger", String(SAMPLE.last));
  for (const ledger of ledgers) await writer.write(CONTAINERS["record-marked stream"](ledger));
  expect(await command.ended).toBe(0);
  expect(linesOf(command.out())).toBe(SAMPLE.rows);
  await writer.close();
});

test("a file that is held whole is given whole: nothing of a batch that is cut", async () => {
  const path = join(SAMPLE.folder, "FC7F83FF--58752000-58815999", "FC7F83FF--58752000.xdr.zst");
  const batch = Bun.zstdDecompressSync(readFileSync(path));
  const { command, writer } = await piped("--format", "ndjson");
  await writer.write(batch.subarray(0, batch.length - 10));
  await writer.close();
  expect(await command.ended).toBe(1);
  expect(command.out().length).toBe(0);
});
