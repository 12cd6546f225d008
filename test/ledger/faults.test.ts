/** Bytes that are not a ledger: a coded error that says what and where, and never a partial row. */
import { describe, expect, test } from "bun:test";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { XdrError } from "../../src/xdr/error.ts";
import { XDR_DEPTH_MAX } from "../../src/xdr/limits.ts";
import { PUBNET } from "../support/networks.ts";
import { buildLedger, concat, created, id, NETWORK, opaque, scSymbol, scU32, scVec, u32 } from "./build.ts";
import { hasShared, readLedgers } from "./shared-ledgers.ts";

const decoder = new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default" });

/** The fault of one ledger; checks that nothing of it stays in the row set. */
function faultOf(bytes: Uint8Array, rows = new RowSet()): XdrError {
  const before = { rows: rows.length, ledgers: rows.ledgers.length };
  try {
    decoder.decode(bytes, rows);
  } catch (error) {
    expect({ rows: rows.length, ledgers: rows.ledgers.length }).toEqual(before);
    if (error instanceof XdrError) return error;
    throw error;
  }
  throw new Error("decoded without a fault");
}

const operation = (...changes: Uint8Array[]): Uint8Array => buildLedger({ transactions: [{ operations: [changes] }] });
/** `levels` ScVals inside each other: vectors of one element around a number. */
const nested = (levels: number): Uint8Array =>
  concat(...Array.from({ length: levels - 1 }, () => concat(u32(16), u32(1), u32(1))), scU32(1));

test("every cut of a small ledger, with rows of another ledger before it", () => {
  const whole = operation(created({ key: scSymbol("a") }), created({ key: scSymbol("b"), val: scVec([scU32(1)]) }));
  const rows = new RowSet();
  decoder.decode(whole, rows);
  const reasons = new Set<string>();
  for (let length = 0; length < whole.length; length++) {
    const fault = faultOf(whole.slice(0, length), rows);
    reasons.add(fault.reason);
    expect(fault.byteOffset).toBeLessThanOrEqual(length);
    expect(fault.path).toStartWith("LedgerCloseMeta");
  }
  expect([...reasons].sort()).toEqual(["XDR_LENGTH", "XDR_TRUNCATED"]);
  expect(rows.length).toBe(2);
});

test("bytes after the ledger", () => {
  const whole = operation();
  expect(faultOf(concat(whole, u32(0)))).toMatchObject({ reason: "XDR_TRAILING_BYTES", byteOffset: whole.length });
});

test("nesting up to the limit, and one level more", () => {
  const rows = new RowSet();
  decoder.decode(operation(created({ key: scSymbol("a"), val: nested(XDR_DEPTH_MAX) })), rows);
  expect(rows.length).toBe(1);
  expect(faultOf(operation(created({ key: scSymbol("a"), val: nested(XDR_DEPTH_MAX + 1) })))).toMatchObject({
    reason: "XDR_TOO_DEEP",
    typeName: "ScVal",
  });
  expect(faultOf(operation(created({ key: scSymbol("a"), val: nested(100_000) })))).toMatchObject({
    reason: "XDR_TOO_DEEP",
  });
});

test("counts and lengths that lie", () => {
  const vec = (count: number): Uint8Array => operation(created({ key: concat(u32(16), u32(1), u32(count)) }));
  for (const count of [0xffff_ffff, 0x7fff_ffff, 1_000_000]) {
    expect(faultOf(vec(count))).toMatchObject({ reason: "XDR_LENGTH" });
  }
  const bytes = operation(created({ key: concat(u32(13), u32(0xffff_fff0)) }));
  expect(faultOf(bytes)).toMatchObject({ reason: "XDR_LENGTH" });
  const longSymbol = concat(u32(15), opaque(new Uint8Array(33)));
  expect(faultOf(operation(created({ key: longSymbol })))).toMatchObject({
    reason: "XDR_LENGTH",
    message: expect.stringContaining("length 33 is over the type's limit of 32"),
  });
});

test("unknown arms name the type, the discriminant, the offset and the path", () => {
  const ledger = operation(created({ key: scSymbol("a") }), created({ key: u32(99) }));
  const fault = faultOf(ledger);
  const at = Buffer.from(ledger).indexOf(Buffer.from(u32(99)));
  expect(fault).toMatchObject({
    code: "DATA_LOSS",
    reason: "XDR_UNKNOWN_ARM",
    typeName: "ScVal",
    byteOffset: at,
    path: "LedgerCloseMeta.v1.txProcessing[0].txApplyProcessing.v3.operations[0].changes[1].created.data.contractData.key",
  });
  expect(fault.message).toContain("unknown arm 99 of union ScVal");
});

test("an optional's flag, a durability and a meta version that are none", () => {
  expect(faultOf(operation(created({ key: concat(u32(16), u32(2), u32(0)) })))).toMatchObject({ reason: "XDR_VALUE" });
  expect(faultOf(operation(created({ key: scSymbol("a"), durability: 2 })))).toMatchObject({
    reason: "XDR_VALUE",
    typeName: "ContractDataDurability",
    path: expect.stringMatching(/contractData\.durability$/),
  });
  expect(faultOf(u32(3))).toMatchObject({ reason: "XDR_UNKNOWN_ARM", typeName: "LedgerCloseMeta", byteOffset: 0 });
});

test("a close time that no timestamp holds", () => {
  expect(faultOf(buildLedger({ closeTime: 9_223_372_036_855n }))).toMatchObject({
    reason: "LEDGER_HEADER",
    path: "LedgerCloseMeta.v1.ledgerHeader.header.scpValue.closeTime",
  });
});

test("an ext that a newer protocol might fill is not stepped over", () => {
  const ledger = operation(created({ key: scSymbol("a"), contract: id(0x77) }));
  const ext = Buffer.from(ledger).indexOf(Buffer.from(id(0x77))) - 8;
  ledger[ext + 3] = 1;
  expect(faultOf(ledger)).toMatchObject({ reason: "XDR_UNKNOWN_ARM", typeName: "ExtensionPoint", byteOffset: ext });
});

describe.skipIf(!hasShared)("real ledgers", () => {
  const CUTS = 400; // spread over the ledger: each costs a slow pass up to the cut

  test.each(["pubnet/58752000.xdr.zst", "pubnet/63092996.xdr.zst", "edge/edge-v2.xdr"])(
    "cut %s",
    (path) => {
      const whole = readLedgers(path);
      const rows = new RowSet();
      const real = new LedgerDecoder({ networkPassphrase: PUBNET, compat: "default" });
      for (let i = 0; i < CUTS; i++) {
        const length = Math.floor((whole.length * i) / CUTS) + (i % 5);
        expect(() => real.decode(whole.subarray(0, length), rows)).toThrow(XdrError);
        expect(rows.length).toBe(0);
      }
    },
    60_000,
  );
});
