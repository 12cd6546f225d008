/** Repeats, gaps and cuts in what keeps ledgers (docs/ledger-containers.md), as it is and compressed. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "bun";
import type { CodedError } from "../../src/error.ts";
import { headerSequence } from "../../src/sources/file/header-offsets.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import { ZstdEnd } from "../../src/sources/file/zstd-end.ts";
import { batchOf, tinyLedger } from "../sources/lake-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "contract-data-stream-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

function streamOf(...sequences: number[]): Uint8Array {
  const records = sequences.flatMap((sequence) => {
    const bytes = tinyLedger(sequence);
    const mark = new Uint8Array(4);
    new DataView(mark.buffer).setUint32(0, 0x8000_0000 + bytes.length);
    return [mark, bytes];
  });
  return new Uint8Array(Buffer.concat(records));
}

/** The sequence numbers that are given before the end, and the error at the end. */
async function read(content: Uint8Array): Promise<{ given: number[]; reason?: string }> {
  const path = join(folder, `${++files}.xdr`);
  writeFileSync(path, content);
  const given: number[] = [];
  try {
    for await (const { bytes } of (await openLedgerInput(path)).ledgers) given.push(headerSequence(path, bytes));
  } catch (thrown) {
    return { given, reason: (thrown as CodedError).reason };
  }
  return { given };
}

const forms: Array<[string, (bytes: Uint8Array) => Uint8Array]> = [
  ["as it is", (bytes) => bytes],
  ["in zstd", (bytes) => new Uint8Array(zstdCompressSync(bytes as Uint8Array<ArrayBuffer>))],
  ["in gzip", (bytes) => new Uint8Array(gzipSync(bytes as Uint8Array<ArrayBuffer>))],
];

describe.each(forms)("%s", (_form, stored) => {
  test("a ledger that repeats is not given again", async () => {
    expect(await read(stored(streamOf(5, 6, 6, 7)))).toEqual({ given: [5, 6], reason: "LEDGER_OUT_OF_STEP" });
    expect(await read(stored(streamOf(5, 6, 7, 6)))).toEqual({ given: [5, 6, 7], reason: "LEDGER_OUT_OF_STEP" });
  });

  test("a gap is no fault of a file", async () => {
    expect(await read(stored(streamOf(5, 9)))).toEqual({ given: [5, 9] });
  });

  test("whole ledgers before a cut are given", async () => {
    const cut = streamOf(5, 6, 7).subarray(0, -10);
    expect(await read(stored(cut))).toEqual({ given: [5, 6], reason: "RECORD_TRUNCATED" });
  });
});

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const linesOf = (...values: Uint8Array[]) => new TextEncoder().encode(values.map(base64).join("\n"));
const answerOf = (ledgers: Array<{ sequence?: number; metadataXdr: string }>) =>
  new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", id: 1, result: { ledgers } }));
const answered = (...sequences: number[]) =>
  answerOf(sequences.map((sequence) => ({ sequence, metadataXdr: base64(tinyLedger(sequence)) })));
const inFragmentsOf = (size: number, ledger: Uint8Array) =>
  Buffer.concat(
    Array.from({ length: ledger.length / size }, (_, index) => {
      const mark = Buffer.alloc(4);
      mark.writeUInt32BE(size + ((index + 1) * size === ledger.length ? 0x8000_0000 : 0));
      return Buffer.concat([mark, ledger.subarray(index * size, (index + 1) * size)]);
    }),
  );

describe.each([
  ["base64 lines of a ledger each", linesOf(...[5, 6, 6, 7].map((n) => tinyLedger(n))), [5, 6]],
  ["base64 lines in any order", linesOf(...[5, 7, 6, 5].map((n) => tinyLedger(n))), [5, 7, 6]],
  ["base64 lines of batches that overlap", linesOf(batchOf(5, 7), batchOf(7, 9)), [5, 6, 7]],
  ["an answer of getLedgers", answered(5, 6, 6, 7), [5, 6]],
  ["a batch", batchOf(5, 7, (n) => tinyLedger(n === 7 ? 6 : n)), []],
  ["a stream in fragments of a byte", inFragmentsOf(1, tinyLedger(5)), [5, 5]],
  ["a stream in fragments of two bytes", inFragmentsOf(2, tinyLedger(5)), [5, 5]],
] as const)("a ledger that repeats in %s", (kind, content, given) => {
  test.each(forms)("is not given again, %s", async (_form, stored) => {
    const whole = kind.startsWith("a stream") ? new Uint8Array(Buffer.concat([content, content])) : content;
    const once = kind.startsWith("a stream") ? given.slice(1) : given;
    expect(await read(stored(new Uint8Array(whole)))).toEqual({ given: [...once], reason: "LEDGER_OUT_OF_STEP" });
  });
});

test("a gap in base64 lines or in an answer of getLedgers is no fault", async () => {
  expect(await read(linesOf(tinyLedger(5), batchOf(8, 9)))).toEqual({ given: [5, 8, 9] });
  expect(await read(answered(5, 9))).toEqual({ given: [5, 9] });
});

test("an answer of getLedgers that names another ledger than the header does", async () => {
  const answer = answerOf([{ sequence: 6, metadataXdr: base64(tinyLedger(5)) }]);
  expect(await read(answer)).toEqual({ given: [], reason: "LEDGER_OUT_OF_STEP" });
});

test("a ledger of a megabyte in fragments of a byte is joined in time that grows with its bytes", async () => {
  const [mark, bytes] = [4, new Uint8Array(1 << 20)];
  bytes.set(tinyLedger(5));
  const fragments = new Uint8Array(bytes.length * (mark + 1));
  const view = new DataView(fragments.buffer);
  for (const [index, byte] of bytes.entries()) {
    view.setUint32(index * (mark + 1), index === bytes.length - 1 ? 0x8000_0001 : 1);
    fragments[index * (mark + 1) + mark] = byte;
  }
  // A first fragment of 8 bytes, so that the file begins as a stream.
  const head = new Uint8Array(12);
  new DataView(head.buffer).setUint32(0, 8);
  head.set(bytes.subarray(0, 8), 4);
  const stream = new Uint8Array(Buffer.concat([head, fragments.subarray(8 * (mark + 1))]));
  expect(await read(stream)).toEqual({ given: [5] });
});

test("compressed data that is cut, damaged or followed by something else is an error, whatever it held before", async () => {
  const zstd = forms[1]![1](streamOf(5, 6, 7));
  expect((await read(zstd.subarray(0, -3))).reason).toBe("ZSTD_TRUNCATED");
  expect((await read(new Uint8Array([...zstd, 1, 2, 3, 4]))).reason).toBe("ZSTD_TRAILING_BYTES");
  const gzip = forms[2]![1](streamOf(5, 6, 7));
  expect((await read(gzip.subarray(0, -3))).reason).toBe("GZIP_TRUNCATED");
});

test("the end of zstd data is known wherever its chunks are cut", () => {
  const skippable = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 9, 9, 9, 9];
  const frame = new Uint8Array(zstdCompressSync(Buffer.from("abc".repeat(100_000))));
  const data = new Uint8Array([...skippable, ...frame, ...frame]);
  const endOf = (bytes: Uint8Array, step: number) => {
    const end = new ZstdEnd();
    for (let at = 0; at < bytes.length; at += step) end.push(bytes.subarray(at, at + step));
    return end.end;
  };
  const boundaries = new Set([0, skippable.length, skippable.length + frame.length, data.length]);
  for (const step of [1, 2, 3, 7, 1000]) {
    for (let length = 0; length <= data.length; length++) {
      expect(endOf(data.subarray(0, length), step), `${length} bytes in steps of ${step}`).toBe(
        boundaries.has(length) ? "whole" : "cut",
      );
    }
  }
});
