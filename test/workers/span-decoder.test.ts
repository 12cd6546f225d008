import { expect, test } from "bun:test";
import { LedgerMemory } from "../../src/workers/ledger-memory.ts";
import {
  align8,
  type BatchRecord,
  OUTPUT,
  type SpanDoneRecord,
  type StreamSpec,
  unpackRecord,
} from "../../src/workers/records.ts";
import { buildLedger, concat, created, id, scBytes, scU32, u32 } from "../ledger/build.ts";
import { ASSET_ISSUER, assetInstance } from "../support/asset-world.ts";
import { rowsOf } from "../support/pipeline.ts";
import { spanWorker } from "../support/span-worker.ts";
import { PLAIN_SPEC } from "../support/stream-spec.ts";

/** A lake file of these ledgers; each has three rows or as many as told, whose values are of the ledger's own number. */
function file(first: number, last: number, rows = 3): Uint8Array {
  const ledgers: Uint8Array[] = [];
  for (let sequence = first; sequence <= last; sequence++) {
    const changes = Array.from({ length: rows }, (_, row) =>
      created({ contract: id(sequence), key: scU32(row), val: scBytes(new Uint8Array(2000).fill(sequence)) }),
    );
    ledgers.push(buildLedger({ sequence, transactions: [{ operations: [changes] }] }));
  }
  return Bun.zstdCompressSync(concat(u32(first), u32(last), u32(ledgers.length), ...ledgers));
}

/**
 * A batch that goes out in the middle of a file used to give the file's memory away: the rows of the file's later
 * ledgers then pointed into what the next file was inflated into. (Found by the simulator, seed 64.)
 */
test("rows of a file whose first ledgers went out early keep their own bytes when the next file comes", () => {
  const { decoder, reader } = spanWorker(PLAIN_SPEC, { retainedBytesMax: 1 }); // every file is over it after its first ledger
  const object = (first: number, last: number) =>
    decoder.object(
      {
        stream: 1,
        span: 0,
        name: `ledgers ${first} to ${last}`,
        encoding: "zstd",
        container: "batch",
        named: { ledgerFirst: first, ledgerLast: last },
        ledgerFirst: first,
        ledgerLast: last,
      },
      file(first, last),
    );
  object(1, 4);
  object(5, 8);
  object(9, 12);
  decoder.spanEnd(0);

  const rows: string[] = [];
  while (reader.next()) {
    if (reader.tag === OUTPUT.BATCH) {
      const { record, attachment } = unpackRecord<BatchRecord>(reader.payload);
      const bytes = attachment.slice();
      const bodyAt = align8(record.headerBytes);
      rows.push(...rowsOf(bytes.subarray(0, record.headerBytes), bytes.subarray(bodyAt, bodyAt + record.bodyBytes)));
    }
    reader.release();
  }
  expect(rows.length).toBe(36);
  for (const [index, row] of rows.entries()) {
    const sequence = 1 + Math.floor(index / 3);
    expect(row.startsWith(`${sequence}|`), row.slice(0, 80)).toBe(true);
    const val = Buffer.from(row.split("|")[4]!, "base64");
    expect(val.subarray(8).every((byte) => byte === sequence)).toBe(true);
  }
});

test("a batch tells what came before it was full, the span's end the rest, and nothing is told twice", () => {
  const spec: StreamSpec = { ...PLAIN_SPEC, schemaVersion: 2, batchRowsMax: 300, assetDelayLedgers: 5 };
  const { decoder, reader } = spanWorker(spec);
  decoder.addAssets([{ asset: `KNOW:${ASSET_ISSUER}`, ledgerFrom: 1 }]);
  const rows = (count: number) =>
    Array.from({ length: count }, (_, row) => created({ contract: id(1), key: scU32(row) }));
  const ledgers = [
    [assetInstance("AST0"), assetInstance("KNOW")],
    [assetInstance("AST0"), ...rows(400)],
    [assetInstance("AST1")],
  ];
  for (const [index, changes] of ledgers.entries()) {
    const sequence = index + 1;
    decoder.object(
      {
        stream: 1,
        span: 0,
        name: `ledger ${sequence}`,
        encoding: "none",
        container: "ledger",
        named: { ledgerFirst: sequence, ledgerLast: sequence },
        ledgerFirst: sequence,
        ledgerLast: sequence,
      },
      buildLedger({ sequence, transactions: [{ operations: [changes] }] }),
    );
  }
  decoder.spanEnd(0);
  const told: unknown[] = [];
  while (reader.next()) {
    const { learned } = unpackRecord<BatchRecord | SpanDoneRecord>(reader.payload).record;
    told.push(learned?.map(({ asset, ledgerFrom }) => `${asset.slice(0, 4)} ${ledgerFrom}`));
    reader.release();
  }
  expect(told).toEqual([["AST0 6"], ["AST1 8"], undefined]); // batch, batch, end
});

test("a ledger's memory is used again as soon as its rows are in batches, and those that wait keep theirs", () => {
  const rowsPerLedger = 150; // batches of 200 rows begin and end inside ledgers
  const memory = new LedgerMemory(1 << 24);
  const inflated = new Set<ArrayBufferLike>();
  const inflate = memory.inflate.bind(memory);
  memory.inflate = (...given) => {
    const bytes = inflate(...given);
    inflated.add(bytes.buffer);
    return bytes;
  };
  const { decoder, reader } = spanWorker(
    { ...PLAIN_SPEC, batchRowsMax: 200 },
    { ringBytes: 1 << 23, memory, retainedBytesMax: 1 << 30 },
  );
  const ledgers = 12;
  for (let ledger = 1; ledger <= ledgers; ledger++) {
    decoder.object(
      {
        ...{ stream: 1, span: 0, name: `ledger ${ledger}`, encoding: "zstd", container: "batch" },
        named: { ledgerFirst: ledger, ledgerLast: ledger },
        ...{ ledgerFirst: ledger, ledgerLast: ledger },
      },
      file(ledger, ledger, rowsPerLedger),
    );
  }
  decoder.spanEnd(0);
  expect(inflated.size).toBeLessThanOrEqual(3);

  let told = 0;
  while (reader.next()) {
    if (reader.tag === OUTPUT.BATCH) {
      const { record, attachment } = unpackRecord<BatchRecord>(reader.payload);
      const bytes = attachment.slice();
      const bodyAt = align8(record.headerBytes);
      for (const row of rowsOf(
        bytes.subarray(0, record.headerBytes),
        bytes.subarray(bodyAt, bodyAt + record.bodyBytes),
      )) {
        const sequence = 1 + Math.floor(told / rowsPerLedger);
        const value = scBytes(new Uint8Array(2000).fill(sequence));
        expect(row.includes(Buffer.from(value).toString("base64")), `row ${told}`).toBe(true);
        told += 1;
      }
      expect(record.next).toEqual({ ledger: 1 + Math.floor(told / rowsPerLedger), row: told % rowsPerLedger });
    }
    reader.release();
  }
  expect(told).toBe(ledgers * rowsPerLedger);
});

test("rows that wait keep their own bytes alone, and none of a large ledger waits", () => {
  const memory = new LedgerMemory(1 << 26);
  const kept: number[] = [];
  const room = memory.room.bind(memory);
  memory.room = (held, ledger, bytes) => {
    kept.push(bytes);
    return room(held, ledger, bytes);
  };
  const { decoder, reader } = spanWorker(
    { ...PLAIN_SPEC, ledgerBytesMax: 1 << 26 },
    { ringBytes: 1 << 25, memory, retainedBytesMax: 1 << 26 },
  );
  const ledger = (sequence: number, rows: number) => {
    const changes = Array.from({ length: rows }, (_, row) =>
      created({ contract: id(1), key: scU32(row), val: scBytes(new Uint8Array(2000)) }),
    );
    const bytes = buildLedger({ sequence, transactions: [{ operations: [changes] }] });
    const only = { ledgerFirst: sequence, ledgerLast: sequence };
    const object = { stream: 1, span: 0, name: `ledger ${sequence}`, named: only, ...only };
    decoder.object({ ...object, encoding: "none", container: "ledger" }, bytes);
    bytes.fill(0xee); // as the ring's memory may be from now on
    return bytes.length;
  };
  const rowsOut = () => {
    let rows = 0;
    for (; reader.next(); reader.release()) rows += unpackRecord<BatchRecord>(reader.payload).record.rows;
    return rows;
  };
  const entryBytes = 36 + 8 + 4 + 2008; // address, key, durability, value
  expect(ledger(1, 3)).toBeGreaterThan(3 * entryBytes + 32);
  expect([rowsOut(), kept]).toEqual([0, [3 * entryBytes + 32]]); // and the transaction's hash
  expect(ledger(2, 2100)).toBeGreaterThan(4 << 20);
  expect([rowsOut(), kept.length]).toEqual([2103, 1]);
});
