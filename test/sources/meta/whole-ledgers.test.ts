import { describe, expect, test } from "bun:test";
import { LEDGER_BYTES_MAX } from "../../../src/sources/limits.ts";
import { MetaReader } from "../../../src/sources/meta/meta-reader.ts";
import { RUN_BYTES_MIN, wholeLedgers } from "../../../src/sources/meta/whole-ledgers.ts";
import { failureOf } from "../../support/failure.ts";
import { randomFrom, seedOf } from "../../support/random.ts";
import { tinyLedger } from "../lake-fixture.ts";
import { largeLedger, record, records, sampleLedgers, sequence } from "./meta-fixture.ts";

const TINY = 412;
/** Tiny ledgers that make up a run which a search believes. */
const RUN = Math.ceil(RUN_BYTES_MIN / TINY);

/** Ledgers that come out of chunks. */
async function ledgersOf(chunks: Iterable<Uint8Array>, seen: number[] = []): Promise<number[]> {
  const iterator = chunks[Symbol.iterator]();
  const bytes = { next: async () => iterator.next().value as Uint8Array | undefined, close: () => {} };
  const reader = new MetaReader(bytes, () => Promise.resolve());
  for await (const ledger of wholeLedgers("stream", reader)) seen.push(ledger.sequence);
  return seen;
}

function* cut(bytes: Uint8Array, sizeOf: () => number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const size = sizeOf();
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

describe("wholeLedgers", () => {
  test("whole, byte by byte, and at random cuts", async () => {
    const stream = records(5, 60);
    expect(await ledgersOf([stream])).toEqual(sequence(5, 60));
    expect(await ledgersOf(cut(stream, () => 1))).toEqual(sequence(5, 60));
    const seed = seedOf();
    const random = randomFrom(seed);
    for (let round = 0; round < 50; round++) {
      const sizeMax = 1 + Math.floor(random() * 3000);
      const seen = await ledgersOf(cut(stream, () => 1 + Math.floor(random() * sizeMax)));
      expect([`SEED=${seed}`, ...seen]).toEqual([`SEED=${seed}`, ...sequence(5, 60)]);
    }
  });

  test("ledgers keep their bytes, in memory of their own", async () => {
    const ledgers = sampleLedgers();
    const stream = Buffer.concat(ledgers.map(record));
    const chunks = [...cut(stream, () => 100_000)].map((chunk) => new Uint8Array(chunk));
    const bytes = { next: async () => chunks.shift(), close: () => {} };
    const found: Uint8Array[] = [];
    for await (const ledger of wholeLedgers("stream", new MetaReader(bytes, () => Promise.resolve()))) {
      expect(ledger.bytes.buffer.byteLength).toBe(ledger.bytes.length);
      found.push(ledger.bytes);
    }
    expect(found.map((each) => Bun.hash(each))).toEqual(ledgers.map((each) => Bun.hash(each)));
  });

  test("a ledger cut at the end is dropped, wherever it is cut", async () => {
    const stream = records(1, 3);
    for (const missing of [1, 2, TINY - 1, TINY, TINY + 1, TINY + 3]) {
      expect(await ledgersOf([stream.subarray(0, stream.length - missing)])).toEqual([1, 2]);
    }
  });

  test("a stream that begins inside a record: from the first whole ledger on, and none that is made up", async () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    const stream = records(1, 2 * RUN);
    for (let round = 0; round < 10; round++) {
      const from = Math.floor(random() * 100 * TINY);
      const first = Math.ceil(from / (TINY + 4)) + 1;
      const seen = await ledgersOf(cut(stream.subarray(from), () => 1 + Math.floor(random() * 200_000)));
      expect([`SEED=${seed}`, from, ...seen]).toEqual([`SEED=${seed}`, from, ...sequence(first, 2 * RUN)]);
    }
  });

  test("records that a stranger put into a ledger are not taken for the stream", async () => {
    // inside a record: 128 KiB of whole records, chained, as the bytes of a contract might hold them
    const inner = records(900, 900 + Math.floor((128 << 10) / (TINY + 4)) - 1);
    const outer = record(Buffer.concat([tinyLedger(10), inner, new Uint8Array(5_000)]));
    const stream = Buffer.concat([outer, records(11, 11 + 2 * RUN)]);
    for (const from of [1, 7, 4 + TINY - 1, 4 + TINY + 1, 5_000]) {
      expect(await ledgersOf([stream.subarray(from)])).toEqual(sequence(11, 11 + 2 * RUN));
    }
  });

  test("a writer that was stopped inside a ledger, and another behind it without a pause", async () => {
    for (const kept of [5, 100, 300, TINY]) {
      const stream = Buffer.concat([
        records(1, 4),
        record(largeLedger(5, 20_000)).subarray(0, kept + 4),
        records(3, 3 + RUN + 10),
      ]);
      expect(await ledgersOf([stream])).toEqual([1, 2, 3, 4, ...sequence(3, 3 + RUN + 10)]);
    }
  });

  test("a ledger that cannot be read goes out where it is one of the stream: the decoder says what is wrong", async () => {
    const stream = Buffer.concat([records(1, 2), record(largeLedger(3, 5_000)), records(4, 6)]);
    expect(await ledgersOf(cut(stream, () => 700))).toEqual(sequence(1, 6));
  });

  test("a record over the limit", async () => {
    const mark = record(tinyLedger(3));
    new DataView(mark.buffer).setUint32(0, 0x8000_0000 + LEDGER_BYTES_MAX + 1);
    for (const before of [records(1, 2), new Uint8Array(0)]) {
      const seen: number[] = [];
      const error = await failureOf(ledgersOf([Buffer.concat([before, mark])], seen));
      expect([error.code, error.reason]).toEqual(["RESOURCE_EXHAUSTED", "LEDGER_TOO_LARGE"]);
      expect(error.message).toContain(`has ${LEDGER_BYTES_MAX + 1} B or more, over max ${LEDGER_BYTES_MAX} B`);
      expect(seen).toEqual(before.length > 0 ? [1, 2] : []);
    }
  });

  test("what is no ledger between ledgers is left out: the ledger in its place is missing", async () => {
    const rest = records(4, 4 + RUN);
    for (const wrong of [
      new Uint8Array([0x80, 0, 0, 0]),
      new Uint8Array([0x80]),
      record(new Uint8Array(100)),
      record(new Uint8Array(1_000).fill(7)),
      new Uint8Array(70_000).fill(0x80),
    ]) {
      expect(await ledgersOf([records(1, 2), wrong, rest])).toEqual([1, 2, ...sequence(4, 4 + RUN)]);
    }
  });

  test("a stream of anything else is given up after so much", async () => {
    const marks = Buffer.alloc(1 << 20, new Uint8Array([0x80, 0x10, 0, 0, 0, 0, 0, 1]));
    const chunk = new Uint8Array(8 << 20).fill(0x80);
    const error = await failureOf(ledgersOf([marks, ...Array.from({ length: 20 }, () => chunk)]));
    expect([error.code, error.reason]).toEqual(["DATA_LOSS", "RECORD_MARK"]);
    expect(error.message).toMatch(/no ledger begins in \d+ B, over max 134217728 B/);
  });
});
