/** The natural key of schema version 2 is a primary key: no part is null, and no two rows have the same. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { BatchEncoder, columnNames } from "../../src/columns/batch-encoder.ts";
import { describeSchema } from "../../src/columns/schema-description.ts";
import { splitBatch } from "../../src/ledger/batch.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { detectNetwork } from "../../src/ledger/network.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import { balance, buildLedger, created, id, ledgerKey, NETWORK, scSymbol, scU32, updated } from "../ledger/build.ts";
import { filesUnder, readLedgers, records, sharedPath } from "../ledger/shared-ledgers.ts";
import { PASSPHRASES } from "../support/networks.ts";
import { ROOT, SAMPLE } from "../support/processor.ts";
import { sharedFolder } from "../support/shared.ts";

const KEY = describeSchema(2).natural_key;

/** The key's values for each row of a ledger. */
function keysOf(ledger: Uint8Array, compat: "default" | "go", networkPassphrase: string): unknown[][] {
  const encoder = new BatchEncoder({ schemaVersion: 2, networkPassphrase, columns: [...KEY] });
  const rows = new RowSet();
  new LedgerDecoder({ networkPassphrase, compat, ...encoder.decoderOptions }).decode(ledger, rows);
  return Array.from({ length: rows.length }, (_, row) => encoder.columns.map((column) => column.cell(rows, row)));
}

/** How many rows the ledgers have; their keys are all there and all different. */
function check(ledgers: Iterable<Uint8Array>): number {
  let count = 0;
  for (const ledger of ledgers) {
    const network = detectNetwork(ledger, PASSPHRASES) ?? NETWORK;
    for (const compat of ["default", "go"] as const) {
      const keys = keysOf(ledger, compat, network);
      for (const part of keys.flat()) expect(part).toBeNumber();
      expect(new Set(keys.map((key) => key.join("/"))).size).toBe(keys.length);
      count += keys.length;
    }
  }
  return count;
}

async function fileLedgers(file: string): Promise<Uint8Array[]> {
  const ledgers: Uint8Array[] = [];
  for await (const { bytes } of (await openLedgerInput(file)).ledgers) ledgers.push(bytes.slice());
  return ledgers;
}

test("the key's columns are never null, and the newest of them came behind all others", () => {
  expect(KEY).toEqual(["ledger_sequence", "transaction_order", "change_index"]);
  const fields = describeSchema(2).fields.filter(({ name }) => KEY.includes(name));
  expect(fields.map(({ type, nullable }) => [type, nullable])).toEqual(Array(3).fill(["uint32", false]));
  expect(columnNames(2).indexOf("transaction_order")).toBe(29);
});

test("changes of transactions, fees, upgrades and evictions have keys of their own", () => {
  const key = (name: string) => ({ key: scSymbol(name) });
  const transaction = {
    fee: [created(key("fee"))],
    before: [created(key("before"))],
    operations: [[created(key("a")), created(key("b"))], [created(key("c"))]],
    after: [created(key("after"))],
  };
  const ledger = buildLedger({
    sequence: 7,
    transactions: [transaction, transaction],
    upgrades: [[created(key("upgrade"))], [created(key("upgrade again"))]],
    evicted: [ledgerKey({ key: scU32(6), contract: id(6) }), ledgerKey({ key: balance(id(7), 1n).key })],
  });
  expect(check([ledger])).toBe(12 + 4 + 10);
  const none = 4_294_967_295;
  expect(keysOf(ledger, "default", NETWORK).slice(-4)).toEqual([0, 1, 2, 3].map((index) => [7, none, index]));
  expect(() => check([ledger, buildLedger({ transactions: [{ operations: [[updated(key("x"))]] }] })])).toThrow();
});

describe("every ledger in reach", () => {
  const folders = [join(ROOT, "test", "fixtures", "ledgers"), SAMPLE.folder];
  for (const folder of folders) {
    const files = readdirSync(folder, { recursive: true }).map(String);
    const names = files.filter((name) => /\.(xdr\.zstd?|txt\.gz)$/.test(name)).sort();
    test(folder.slice(ROOT.length + 1), async () => {
      let rows = 0;
      for (const name of names) rows += check(await fileLedgers(join(folder, name)));
      expect(rows).toBeGreaterThan(600);
    });
  }

  test.skipIf(sharedFolder("ledgers/lake") === undefined)(
    "the ledgers beside the repository",
    async () => {
      let rows = 0;
      for (const path of filesUnder("core", ".xdr.zst")) rows += check(records(readLedgers(path)));
      for (const path of [...filesUnder("lake", ".xdr.zst").slice(0, 20), ...filesUnder("lake-lpf8", ".xdr.zst")]) {
        rows += check([...splitBatch(readLedgers(path))].map(({ bytes }) => bytes));
      }
      for (const path of ["pubnet", "edge", "loadgen"].flatMap((folder) => filesUnder(folder, ""))) {
        if (/\.(xdr|zst|zstd)$/.test(path)) rows += check(await fileLedgers(sharedPath(path)));
      }
      expect(rows).toBeGreaterThan(10_000);
    },
    60_000,
  );
});
