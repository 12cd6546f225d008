/** Rows that have been moved out of their ledger are laid out byte for byte as before, with nothing left of the ledger. */
import { describe, expect, test } from "bun:test";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { versionBeside } from "../../src/columns/datasets.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { moveRows, rowBytes } from "../../src/ledger/row-bytes.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { Compat } from "../../src/vocabulary/compat.ts";
import { DATASETS } from "../../src/vocabulary/dataset.ts";
import { ledger53312000, ledger58752000, loadTestLedgers } from "../fuzz/ledger-fixtures.ts";
import { assetInstance } from "../support/asset-world.ts";
import { PUBNET } from "../support/networks.ts";
import { buildLedger, NETWORK } from "./build.ts";

const INPUTS: Record<string, [networkPassphrase: string, ledgers: () => Uint8Array[]]> = {
  "58752000": [PUBNET, () => [ledger58752000()]],
  "53312000": [PUBNET, () => [ledger53312000()]],
  "load-test": [PUBNET, loadTestLedgers],
  "an asset": [NETWORK, () => [buildLedger({ transactions: [{ operations: [[assetInstance("AST0")]] }] })]],
};

function batchOf(rows: RowSet, first: number, encoder: BatchEncoder): Buffer {
  const plan = encoder.plan(rows, first, rows.length);
  const body = new Uint8Array(plan.bodyBytes);
  encoder.write(rows, plan, body);
  return Buffer.concat([encoder.header(plan), body]);
}

function check(bytes: Uint8Array, networkPassphrase: string, schemaVersion: 1 | 2, compat: Compat): number {
  const ledger = new Uint8Array(bytes);
  const sets = DATASETS.map(() => new RowSet());
  const encoderOf = (index: number) =>
    new BatchEncoder({
      dataset: DATASETS[index]!,
      schemaVersion: versionBeside(DATASETS[index]!, schemaVersion),
      networkPassphrase,
    });
  new LedgerDecoder({
    networkPassphrase,
    compat,
    ...encoderOf(0).decoderOptions,
    datasets: DATASETS,
  }).decode(ledger, ...sets);
  const firsts = sets.map(({ length }) => (length > 10 ? 7 : 0)); // those before are in a batch already
  const before = sets.map((rows, index) => batchOf(rows, firsts[index]!, encoderOf(index)));
  for (const [index, rows] of sets.entries()) {
    const first = firsts[index]!;
    if (rows.length === first) continue;
    const memory = new Uint8Array(rowBytes(rows, first, rows.length) + 8);
    moveRows(rows, first, rows.length, memory.subarray(4, memory.length - 4));
    expect([...memory.subarray(0, 4), ...memory.subarray(-4)]).toEqual(Array(8).fill(0));
  }
  ledger.fill(0xee);
  for (const [index, rows] of sets.entries()) {
    expect(batchOf(rows, firsts[index]!, encoderOf(index)).equals(before[index]!)).toBe(true);
  }
  return sets.reduce((sum, { length }) => sum + length, 0);
}

describe("moved rows", () => {
  for (const [name, [passphrase, ledgers]] of Object.entries(INPUTS)) {
    for (const schemaVersion of [1, 2] as const) {
      for (const compat of ["default", "go"] as const) {
        test(`${name}, schema version ${schemaVersion}, ${compat}`, () => {
          for (const bytes of ledgers()) expect(check(bytes, passphrase, schemaVersion, compat)).toBeGreaterThan(0);
        });
      }
    }
  }
});
