/** Batches that are laid out while their ledger is walked are those that are laid out behind it. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { tableFromIPC } from "apache-arrow";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { encapsulate, streamHead } from "../../src/columns/ipc.ts";
import { AheadBatches } from "../../src/workers/ahead-batches.ts";
import {
  align8,
  type BatchRecord,
  OUTPUT,
  type SpanDoneRecord,
  type StreamSpec,
  unpackRecord,
} from "../../src/workers/records.ts";
import type { SpanDecoder } from "../../src/workers/span-decoder.ts";
import { buildLedger, created, ledgerKey, scBytes, scU32, ttlCreated } from "../ledger/build.ts";
import { assetInstance } from "../support/asset-world.ts";
import { spanWorker } from "../support/span-worker.ts";
import { PLAIN_SPEC } from "../support/stream-spec.ts";

const SPEC: StreamSpec = { ...PLAIN_SPEC, verifyChain: false, ledgerBytesMax: 1 << 26, columns: undefined };
const ROWS = 2400;

const hashOf = (row: number) =>
  createHash("sha256")
    .update(ledgerKey({ key: scU32(row) }))
    .digest();

type Expires = (row: number) => boolean;

/** A ledger of 5 MB; the TTLs of all its rows are set by its last transaction. */
function large(sequence: number, expires: Expires = (row) => row % 3 === 0, fees: readonly number[] = []): Uint8Array {
  const entry = (row: number) => created({ key: scU32(row), val: scBytes(new Uint8Array(2000).fill(row)) });
  const transactions = Array.from({ length: ROWS / 8 }, (_, n) => ({
    fee: fees.includes(n) ? [created({ key: scU32(10_000 + n) })] : [],
    operations: [Array.from({ length: 8 }, (_, i) => entry(8 * n + i)), n === 100 ? [assetInstance("AST0")] : []],
  }));
  const ttls = Array.from({ length: ROWS }, (_, row) => row)
    .filter(expires)
    .map((row) => ttlCreated(hashOf(row), 5000 + row));
  return buildLedger({ sequence, transactions: [...transactions, { fee: [], operations: [ttls] }] });
}

interface Out {
  /** Of each batch: its bytes, and what is told of it. */
  batches: { bytes: Uint8Array; record: BatchRecord }[];
  done: SpanDoneRecord[];
  laid: number;
}

/** Decodes the ledgers on a worker of its own. @param aheadBytesMax what may be laid out ahead; 0: nothing */
function decode(spec: StreamSpec, ledgers: readonly Uint8Array[], aheadBytesMax: number, piece?: number): Out {
  const ahead = new AheadBatches(aheadBytesMax);
  let laid = 0;
  const take = ahead.take.bind(ahead);
  ahead.take = (...given) => {
    const batch = take(...given);
    if (batch?.body !== undefined) laid += 1;
    return batch;
  };
  const { decoder, reader } = spanWorker(spec, { ringBytes: 1 << 26, retainedBytesMax: 1 << 26, ahead });
  for (const [index, bytes] of ledgers.entries()) {
    const only = { ledgerFirst: index + 1, ledgerLast: index + 1 };
    const object = { stream: 1, span: 0, name: `ledger ${index + 1}`, named: only, ...only } as const;
    const record = { ...object, encoding: "none", container: "ledger" } as const;
    if (piece === undefined || index === 0) decoder.object(record, bytes.slice());
    else inPieces(decoder, record, bytes, piece);
  }
  decoder.spanEnd(0);
  const out: Out = { batches: [], done: [], laid };
  for (; reader.next(); reader.release()) {
    const { record, attachment } = unpackRecord<BatchRecord>(reader.payload);
    if (reader.tag === OUTPUT.SPAN_DONE) out.done.push(unpackRecord<SpanDoneRecord>(reader.payload).record);
    if (reader.tag !== OUTPUT.BATCH) continue;
    const bytes = attachment.slice();
    out.batches.push({ bytes, record });
  }
  return out;
}

const encoder = new BatchEncoder({ schemaVersion: 1, networkPassphrase: SPEC.networkPassphrase });

/** All columns of all rows. */
function rowsOf({ batches }: Out): string[] {
  return batches.flatMap(({ bytes, record: { headerBytes } }) => {
    const message = encapsulate(bytes.subarray(0, headerBytes));
    const table = tableFromIPC(Buffer.concat([streamHead(encoder), message, bytes.subarray(align8(headerBytes))]));
    return [...table].map((row) =>
      JSON.stringify(row, (_, value) => (typeof value === "bigint" ? String(value) : value)),
    );
  });
}

function inPieces(
  decoder: SpanDecoder,
  record: Parameters<SpanDecoder["object"]>[0],
  bytes: Uint8Array,
  piece: number,
) {
  const { coming } = decoder;
  coming.begin({ ...record, bytes: bytes.length }, bytes.subarray(0, piece));
  let sent = piece;
  const more = () => {
    if (sent >= bytes.length) return false;
    coming.part({ stream: 1 }, bytes.subarray(sent, sent + piece));
    sent += piece;
    return true;
  };
  if (coming.canDecodeAhead) coming.decodeAhead(more);
  while (more()); // where it was left
}

const plain = [large(1), large(2)];
const small = buildLedger({ sequence: 1, transactions: [{ operations: [[created({ key: scU32(1) })]] }] });

const CASES: [string, Partial<StreamSpec>, Uint8Array[], boolean][] = [
  ["schema version 1", {}, plain, true],
  ["behind rows that wait", {}, [small, large(2)], true],
  ["batches of 500 rows", { batchRowsMax: 500 }, plain, true],
  ["compressed", { compression: "zstd" }, plain, true],
  ["without the column that is late", { columns: ["ledger_sequence", "key_xdr", "val_xdr"] }, plain, true],
  ["schema version 2 without assets", { schemaVersion: 2, columns: ["expiration_ledger_seq", "val_xdr"] }, plain, true],
  ["schema version 2, whose assets are late", { schemaVersion: 2, dictionaries: false }, plain, false],
  ["with ttl beside it", { datasets: ["contract_data", "ttl"] }, plain, true],
  ["partitions", { partitions: 2 }, plain, false],
  ["rows in another order", {}, [large(1), large(2, undefined, [200])], true],
  ["a position to begin at", { start: { ledger: 1, row: 700 } }, plain, true],
  ["a position to end at", { end: { ledger: 2, row: 700 } }, plain, true],
  ["a filter", { filters: [{ ledgerFrom: 1, filter: { keyTypes: ["U32"] } }] }, plain, true],
];

test.each(CASES)("%s", (_name, options, ledgers, isLaid) => {
  const spec = { ...SPEC, ...options };
  const behind = decode(spec, ledgers, 0);
  expect([behind.laid, behind.done[0]?.error]).toEqual([0, undefined]);
  for (const piece of [undefined, 100_000, 3_000_000]) {
    const ahead = decode(spec, ledgers, 1 << 24, piece);
    expect(ahead.laid > 0, `${ahead.laid} batches laid out ahead`).toBe(isLaid);
    expect(ahead.batches.length).toBe(behind.batches.length);
    for (const [i, { record, bytes }] of ahead.batches.entries()) {
      expect(record).toEqual(behind.batches[i]!.record);
      expect(Buffer.from(bytes).equals(behind.batches[i]!.bytes), `batch ${i}`).toBe(true);
    }
  }
});

test("expirations that all rows have, and that batches have by turns, against what was guessed", () => {
  const turns: Expires = (row) => Math.floor(row / 300) % 2 === 0;
  for (const expires of [() => true, () => false, turns]) {
    const ledgers = [large(1, expires), large(2, expires)];
    const ahead = decode(SPEC, ledgers, 1 << 24);
    const behind = decode(SPEC, ledgers, 0);
    expect(ahead.laid).toBeGreaterThan(0);
    expect(rowsOf(ahead).length).toBe(2 * (ROWS + 1));
    expect(rowsOf(ahead)).toEqual(rowsOf(behind));
  }
});

test("as much as there is room for, and none of what is broken", () => {
  const behind = decode(SPEC, plain, 0);
  const one = decode(SPEC, plain, 2_500_000);
  expect([one.laid, rowsOf(one)]).toEqual([2, rowsOf(behind)]); // one of each ledger
  const broken = large(2);
  broken.fill(0xff, broken.length - 1000);
  for (const piece of [undefined, 200_000]) {
    const out = decode(SPEC, [large(1), broken], 1 << 24, piece);
    expect([out.done[0]!.error?.code, out.done[0]!.ledgerLast]).toEqual(["DATA_LOSS", 1]);
    expect(rowsOf(out)).toEqual(rowsOf(decode(SPEC, [large(1)], 0)));
  }
});
