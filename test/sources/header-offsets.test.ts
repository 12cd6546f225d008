import { describe, expect, test } from "bun:test";
import path from "node:path";
import { CodedError } from "../../src/error.ts";
import { headerOffsets, headerSequence } from "../../src/sources/file/header-offsets.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import { tinyLedger } from "./lake-fixture.ts";

const fixtures = path.join(import.meta.dir, "../fixtures/ledgers");

describe("headerOffsets", () => {
  test("a made V0 ledger", () => {
    const ledger = tinyLedger(12345, 999);
    const { ledgerSequence, closeTime } = headerOffsets("x", ledger);
    expect(headerSequence("x", ledger)).toBe(12345);
    expect(ledgerSequence).toBe(184);
    expect(new DataView(ledger.buffer).getBigUint64(closeTime)).toBe(999n);
  });

  test("close times of real ledgers, V0, V1 and V2, are those of their rows", async () => {
    const closeTimes = new Map<number, bigint>();
    for (const name of ["58752000.xdr.zst", "ledgers-base64.txt.gz", "load-test-ledgers.xdr.zstd"]) {
      for await (const { bytes } of (await openLedgerInput(path.join(fixtures, name))).ledgers) {
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        const offsets = headerOffsets(name, bytes);
        closeTimes.set(view.getUint32(offsets.ledgerSequence), view.getBigUint64(offsets.closeTime));
      }
    }
    expect(closeTimes.get(58752000)).toBe(1756858228n);
    expect(closeTimes.get(88)).toBe(1751490657n);
    expect(closeTimes.get(6154623)).toBe(1472600258n);
  });

  test("cut off anywhere in the header, it says where", async () => {
    const input = await openLedgerInput(path.join(fixtures, "58752000.xdr.zst"));
    for await (const { bytes } of input.ledgers) {
      const end = headerOffsets("x", bytes).ledgerSequence + 4;
      for (let length = 0; length < end; length++) {
        expect(() => headerOffsets("file", bytes.subarray(0, length))).toThrow(CodedError);
      }
      expect(headerSequence("file", bytes.subarray(0, end))).toBe(58752000);
    }
  });

  test.each([
    [0, 3, "LedgerCloseMeta at byte 0"],
    [112, 7, "at byte 112, LedgerCloseMeta"],
    [116, 3, "at byte 116, LedgerCloseMeta"],
  ])("word at %p set to %p", (at, value, message) => {
    const ledger = tinyLedger(5);
    new DataView(ledger.buffer).setUint32(at, value);
    expect(() => headerOffsets("file", ledger)).toThrow(message);
  });
});
