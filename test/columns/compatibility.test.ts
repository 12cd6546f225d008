/** What docs/columns.md says of versions 1 and 2, held against rows. */

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Table, tableFromIPC } from "apache-arrow";
import { BatchEncoder, columnNames } from "../../src/columns/batch-encoder.ts";
import type { Cell } from "../../src/columns/column.ts";
import { dictionaryMessages } from "../../src/columns/dictionary-messages.ts";
import { encapsulate, STREAM_END, streamHead } from "../../src/columns/ipc.ts";
import { describeFields } from "../../src/columns/schema-description.ts";
import { splitBatch } from "../../src/ledger/batch.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { detectNetwork } from "../../src/ledger/network.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { SchemaVersion } from "../../src/vocabulary/schema-version.ts";
import {
  accountAddress,
  balance,
  balanceOf,
  buildLedger,
  created,
  id,
  ledgerKey,
  NETWORK,
  removed,
  restored,
  scAddress,
  scI128,
  scInstance,
  scInstanceKey,
  scSymbol,
  scVec,
  state,
} from "../ledger/build.ts";

const SAMPLES = join(import.meta.dir, "../../sample");
/** Columns that may have a value where version 1 has null. */
const FILLED = new Set(["asset_code", "asset_issuer", "asset_type", "balance_holder", "balance"]);
const V1 = columnNames(1);

interface Decoded {
  cells: Cell[][];
  places: number[];
}

/** The first 18 cells of each row but those of evicted entries, and the rows' places in their ledger. */
function decoded(ledger: Uint8Array, networkPassphrase: string, schemaVersion: SchemaVersion): Decoded {
  const encoder = new BatchEncoder({ schemaVersion, networkPassphrase });
  const rows = new RowSet();
  new LedgerDecoder({ networkPassphrase, compat: "default", ...encoder.decoderOptions }).decode(ledger, rows);
  const change = encoder.columns.find(({ spec }) => spec.name === "change_type");
  const kept = [...Array(rows.length).keys()].filter((row) => change?.cell(rows, row) !== "evicted");
  return {
    cells: kept.map((row) => encoder.columns.slice(0, V1.length).map((column) => column.cell(rows, row))),
    places: kept.map((row) => rows.place[row]!),
  };
}

/** How many cells version 2 has filled, by column. */
function compare(ledger: Uint8Array, networkPassphrase = NETWORK): Record<string, number> {
  const one = decoded(ledger, networkPassphrase, 1);
  const two = decoded(ledger, networkPassphrase, 2);
  const filled: Record<string, number> = {};
  expect(two.places).toEqual(one.places);
  one.cells.forEach((row, index) => {
    row.forEach((was, column) => {
      const name = V1[column]!;
      const is = two.cells[index]![column]!;
      if (was === null && is !== null) filled[name] = (filled[name] ?? 0) + 1;
      else expect(`${name} ${is}`).toBe(`${name} ${was}`);
    });
  });
  for (const name of Object.keys(filled)) expect(FILLED).toContain(name);
  return filled;
}

test("all columns of version 1 are in version 2, in their places", () => {
  expect(columnNames(2).slice(0, V1.length)).toEqual(V1);
});

describe("rows and values of version 1 are in version 2, which only fills nulls", () => {
  test("a ledger of every kind of balance and change", () => {
    const key = scVec([scSymbol("Balance"), scAddress(accountAddress(id(7)))]);
    const bytes = buildLedger({
      transactions: [
        {
          operations: [
            [created({ key, val: scI128(5n) }), created({ ...balance(id(3), 6n), contract: id(2) })],
            [created({ ...balanceOf(accountAddress(id(7)), 2n ** 100n), contract: id(3) })],
            [created({ ...balance(id(4), 2n ** 64n), contract: id(4) })],
            [state({ key, val: scI128(5n) }), removed({ key }), restored({ key: scSymbol("r") })],
            [created({ key: scInstanceKey, val: scInstance(id(3), []) })],
          ],
        },
      ],
      upgrades: [[created({ key: scSymbol("upgrade") })]],
      evicted: [ledgerKey({ key: scSymbol("e") }), ledgerKey({ key })],
    });
    expect(compare(bytes)).toEqual({ balance_holder: 3, balance: 4 });
  });

  test.each(["lake", "balances"])("the ledgers of sample/%s", (lake) => {
    const folder = join(SAMPLES, lake);
    let filled = 0;
    for (const name of readdirSync(folder, { recursive: true }).map(String)) {
      if (!name.endsWith(".zst")) continue;
      for (const { bytes } of splitBatch(Bun.zstdDecompressSync(readFileSync(join(folder, name))))) {
        const network = detectNetwork(bytes);
        if (network === undefined) continue;
        filled += Object.values(compare(bytes, network)).reduce((sum, count) => sum + count, 0);
      }
    }
    expect(filled).toBeGreaterThan(0);
  });
});

describe("without dictionaries", () => {
  const encoderOf = (dictionaries: boolean) =>
    new BatchEncoder({ schemaVersion: 2, networkPassphrase: NETWORK, dictionaries });
  const key = scVec([scSymbol("Balance"), scAddress(accountAddress(id(7)))]);
  const ledger = buildLedger({
    transactions: [
      {
        operations: [
          [created({ key, val: scI128(5n) }), created({ ...balance(id(3), 6n), durability: 0 })],
          [state({ key, val: scI128(5n) }), removed({ key }), restored({ key: scSymbol("r") })],
          [created({ key: scInstanceKey, val: scInstance("asset", []) })],
        ],
      },
    ],
    evicted: [ledgerKey({ key: scSymbol("e") })],
  });
  const tableOf = (dictionaries: boolean): Table => {
    const encoder = encoderOf(dictionaries);
    const rows = new RowSet();
    new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default", ...encoder.decoderOptions }).decode(
      ledger,
      rows,
    );
    const plan = encoder.plan(rows, 0, rows.length);
    const body = new Uint8Array(plan.bodyBytes).fill(0xee);
    encoder.write(rows, plan, body);
    return tableFromIPC(Buffer.concat([streamHead(encoder), encapsulate(encoder.header(plan)), body, STREAM_END]));
  };

  test("the schema is the same, but for text where dictionaries were; and none is sent", () => {
    const [before, after] = [encoderOf(true), encoderOf(false)];
    const fields = describeFields(before.columns).map(({ dictionary: _, ...field }) => field);
    expect(describeFields(after.columns)).toEqual(fields);
    expect(after.metadata).toEqual(before.metadata);
    expect(after.decoderOptions).toEqual(before.decoderOptions);
    expect(dictionaryMessages(before.columns)).toHaveLength(6);
    expect(dictionaryMessages(after.columns)).toEqual([]);
  });

  test("values are the same, nulls too", () => {
    const [before, after] = [tableOf(true), tableOf(false)];
    expect(after.numRows).toBe(6);
    for (const { name } of before.schema.fields) {
      expect([name, ...after.getChild(name)!]).toEqual([name, ...before.getChild(name)!]);
    }
    expect([...after.getChild("balance_kind")!]).toEqual(["token", "asset_contract", null, "token", null, null]);
  });
});
