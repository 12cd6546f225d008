import { describe, expect, test } from "bun:test";
import { batchRange, splitBatch } from "../../src/ledger/batch.ts";
import { ledgerHeader } from "../../src/ledger/header.ts";
import { sha256 } from "../../src/xdr/sha256.ts";
import { buildLedger, concat, id, u32 } from "./build.ts";
import { filesUnder, hasShared, readLedgers } from "./shared-ledgers.ts";

const batch = (first: number, last: number, ...ledgers: Uint8Array[]): Uint8Array =>
  concat(u32(first), u32(last), u32(ledgers.length), ...ledgers);
const ledger = (sequence: number): Uint8Array => buildLedger({ sequence });

test("a header's numbers and where they lie", () => {
  const bytes = buildLedger({ sequence: 77, closeTime: 1_234_567_890n });
  bytes.set(id(6), 8); // behind the meta's version and extension
  bytes.set(id(3), 8 + 32 + 4); // behind that, and the protocol's version
  const header = ledgerHeader(bytes);
  expect(header).toMatchObject({
    metaVersion: 1,
    sequence: 77,
    closedAtUnixSeconds: 1_234_567_890,
    protocolVersion: 22,
  });
  expect(header.hash).toEqual(id(6));
  expect(header.previousLedgerHash).toEqual(id(3));
  const view = new DataView(bytes.buffer);
  expect(view.getUint32(header.offsets.sequence)).toBe(77);
  expect(view.getBigUint64(header.offsets.closeTime)).toBe(1_234_567_890n);
  expect(bytes.subarray(header.offsets.previousLedgerHash).subarray(0, 32)).toEqual(id(3));
});

test("a header cut short", () => {
  const bytes = buildLedger({});
  for (const length of [0, 3, 8, 100, 300]) {
    expect(() => ledgerHeader(bytes.subarray(0, length))).toThrow(expect.objectContaining({ code: "DATA_LOSS" }));
  }
});

test("a batch is cut where its ledgers end", () => {
  const ledgers = [5, 6, 7].map(ledger);
  const split = [...splitBatch(batch(5, 7, ...ledgers))];
  expect(split.map((one) => one.sequence)).toEqual([5, 6, 7]);
  expect(split.map((one) => Buffer.from(one.bytes).equals(Buffer.from(ledgers[one.sequence - 5]!)))).toEqual([
    true,
    true,
    true,
  ]);
  expect(batchRange(batch(5, 7, ...ledgers))).toEqual({ first: 5, last: 7 });
});

describe("batches that are none", () => {
  test.each([
    ["empty", new Uint8Array(0), "XDR_TRUNCATED"],
    ["more ledgers than bytes", batch(1, 0x7fff_ffff, ledger(1)).fill(0x7f, 8, 9).fill(0xff, 9, 12), "XDR_LENGTH"],
    ["fewer ledgers than its range", batch(5, 7, ledger(5), ledger(6)), "BATCH_HEAD"],
    ["a range that runs backwards", batch(5, 4), "BATCH_HEAD"],
    ["a ledger out of step", batch(5, 6, ledger(5), ledger(7)), "LEDGER_OUT_OF_STEP"],
    ["a ledger cut short", batch(5, 6, ledger(5), ledger(6)).subarray(0, -400), "XDR_LENGTH"],
  ])("%s", (_, bytes, reason) => {
    expect(() => [...splitBatch(bytes)]).toThrow(expect.objectContaining({ code: "DATA_LOSS", reason }));
  });
});

test.skipIf(!hasShared)("a real header's hash is that of its bytes, in every version", () => {
  for (const path of [...filesUnder("pubnet", ".xdr.zst"), ...filesUnder("classic", ".xdr")]) {
    const header = ledgerHeader(readLedgers(path));
    expect(Buffer.from(sha256(header.header)).toString("hex")).toBe(Buffer.from(header.hash).toString("hex"));
    expect(path).toContain(String(header.sequence));
  }
});
