/**
 * Defect 13 of the Go service: holders of a token that are not contracts had no balance, and a balance over int64 was
 * null. Schema version 2 has every kind of holder (SEP-23 strkeys) and every balance in full.
 */
import { expect, test } from "bun:test";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import {
  accountAddress,
  balanceOf,
  buildLedger,
  claimableBalanceAddress,
  contractAddress,
  created,
  id,
  muxedAddress,
  NETWORK,
  poolAddress,
} from "../ledger/build.ts";

const I128_MAX = 2n ** 127n - 1n; // 39 digits
const DECIMAL_MAX = 10n ** 38n - 1n;

const ledger = buildLedger({
  transactions: [
    {
      operations: [
        [created({ ...balanceOf(accountAddress(id(7)), 2n ** 63n) })],
        [created({ ...balanceOf(contractAddress(id(7)), 2n ** 63n - 1n) })],
        [created({ ...balanceOf(muxedAddress(id(7), 2n ** 32n + 2n), DECIMAL_MAX) })],
        [created({ ...balanceOf(claimableBalanceAddress(id(7)), DECIMAL_MAX + 1n) })],
        [created({ ...balanceOf(poolAddress(id(7)), I128_MAX) })],
        [created({ ...balanceOf(accountAddress(id(8)), -1n) })],
      ],
    },
  ],
});

function cells(schemaVersion: 1 | 2, columns: string[]): unknown[][] {
  const encoder = new BatchEncoder({ schemaVersion, networkPassphrase: NETWORK, columns });
  const rows = new RowSet();
  new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default", ...encoder.decoderOptions }).decode(ledger, rows);
  return Array.from({ length: rows.length }, (_, row) => encoder.columns.map((column) => column.cell(rows, row)));
}

test("schema version 2 names every holder and has every balance, exactly", () => {
  expect(cells(2, ["balance_holder", "balance", "balance_text"])).toEqual([
    ["GADQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOZPI", "9223372036854775808", "9223372036854775808"],
    ["CADQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQP5KR", "9223372036854775807", "9223372036854775807"],
    ["MADQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOAAAAAAQAAAAAKFOY", String(DECIMAL_MAX), String(DECIMAL_MAX)],
    ["BAAAOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOB4RVQ", null, String(DECIMAL_MAX + 1n)],
    ["LADQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQPEA4", null, String(I128_MAX)],
    [null, null, null], // a negative amount is no balance
  ]);
});

test("schema version 1 stays as it was: contracts only, null over 63 bits", () => {
  expect(cells(1, ["balance_holder", "balance"])).toEqual([
    [null, null],
    ["CADQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQP5KR", 2n ** 63n - 1n],
    ...Array(4).fill([null, null]),
  ]);
});
