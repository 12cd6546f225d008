/** Schema version 2: read back with apache-arrow, and compared with the same rows as text. */

import { describe, expect, test } from "bun:test";
import { type Dictionary, type RecordBatch, type Schema, tableFromIPC } from "apache-arrow";
import { type DictionaryBatch, Message } from "apache-arrow/ipc/metadata/message";
import { BatchEncoder, columnNames } from "../../src/columns/batch-encoder.ts";
import { dictionaryMessages } from "../../src/columns/dictionary-messages.ts";
import { encapsulate, STREAM_END, streamHead } from "../../src/columns/ipc.ts";
import { toNdjson } from "../../src/columns/text.ts";
import { splitBatch } from "../../src/ledger/batch.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { Compat } from "../../src/vocabulary/compat.ts";
import {
  accountAddress,
  type Bytes,
  balance,
  balanceOf,
  buildLedger,
  claimableBalanceAddress,
  concat,
  contractAddress,
  created,
  id,
  ledgerKey,
  muxedAddress,
  NETWORK,
  opaque,
  poolAddress,
  removed,
  restored,
  scBytes,
  scInstance,
  scInstanceKey,
  scMap,
  scSymbol,
  scU32,
  scVec,
  state,
  u32,
} from "../ledger/build.ts";
import { filesUnder, hasShared, readLedgers, records } from "../ledger/shared-ledgers.ts";

const encoder = new BatchEncoder({ schemaVersion: 2, networkPassphrase: NETWORK });

function decode(ledgers: Uint8Array[], compat: Compat = "default"): RowSet {
  const rows = new RowSet();
  const decoder = new LedgerDecoder({ networkPassphrase: NETWORK, compat, ...encoder.decoderOptions });
  for (const bytes of ledgers) decoder.decode(bytes, rows);
  return rows;
}

/** An IPC stream of the rows [first, end) as one batch; the body is laid out in shared memory full of old bytes. */
function stream(rows: RowSet, first = 0, end = rows.length, by = encoder): Uint8Array {
  const plan = by.plan(rows, first, end);
  const body = new Uint8Array(new SharedArrayBuffer(plan.bodyBytes + 24)).fill(0xee);
  by.write(rows, plan, body, 8);
  expect([...body.subarray(0, 8), ...body.subarray(8 + plan.bodyBytes)].every((byte) => byte === 0xee)).toBe(true);
  const parts = [streamHead(by), encapsulate(by.header(plan)), body.slice(8, 8 + plan.bodyBytes), STREAM_END];
  return new Uint8Array(Buffer.concat(parts));
}

/** 128-bit decimals, which apache-arrow gives as words. */
function decimal(words: Uint32Array): string {
  return String(words.reduceRight((value, word) => (value << 32n) | BigInt(word), 0n));
}

function cell(name: string, value: unknown): unknown {
  if (value === null) return null;
  if (name === "closed_at") return new Date(value as number).toISOString().replace(".000Z", "Z");
  if (name === "balance") return decimal(value as Uint32Array);
  if (name.endsWith("_xdr")) return Buffer.from(value as Uint8Array).toString("base64");
  return name.endsWith("_json") ? JSON.parse(value as string) : value;
}

/** A stream's rows as JSON lines, by way of apache-arrow. */
function readBack(bytes: Uint8Array): string {
  let text = "";
  for (const batch of tableFromIPC(bytes).batches as RecordBatch[]) {
    const vectors = batch.schema.fields.map((field, i) => ({ name: field.name, vector: batch.getChildAt(i)! }));
    for (let row = 0; row < batch.numRows; row++) {
      const cells = vectors.map(({ name, vector }) => [name, cell(name, vector.get(row))]);
      text += `${JSON.stringify(Object.fromEntries(cells))}\n`;
    }
  }
  return text;
}

const objects = (text: string): Record<string, unknown>[] =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

const storage: [Bytes, Bytes][] = [
  [scSymbol("a"), scU32(1)],
  [scSymbol("b"), scU32(2)],
];
const mixed = (): RowSet =>
  decode([
    buildLedger({
      sequence: 100,
      transactions: [
        {
          hash: id(0xaa),
          before: [created({ key: scSymbol("tx") })],
          operations: [
            [created({ key: scSymbol("a") })],
            [created({ ...balanceOf(accountAddress(id(2)), 5n), contract: id(2) })],
            [created({ ...balanceOf(contractAddress(id(2)), 10n ** 38n - 1n), contract: id(2) })],
            [created({ ...balanceOf(claimableBalanceAddress(id(2)), 10n ** 38n), contract: id(2) })],
            [created({ ...balanceOf(poolAddress(id(2)), 2n ** 127n - 1n), contract: id(2) })],
            [created({ ...balanceOf(muxedAddress(id(2), 77n), 0n), contract: id(2) })],
            [created({ key: scInstanceKey, contract: id(3), val: scInstance(id(4), storage) })],
            [created({ key: scInstanceKey, contract: id(4), val: scInstance("asset", []) })],
            [created({ key: scInstanceKey, contract: id(5), val: concat(u32(19), u32(1), u32(0)) })],
            [
              state({ key: scU32(4), contract: id(4), lastModified: 7 }),
              removed({ key: scU32(4), contract: id(4) }),
              restored({ key: scU32(5), contract: id(4), lastModified: 0 }),
            ],
          ],
        },
      ],
      upgrades: [[created({ key: scSymbol("upgrade") })]],
      evicted: [ledgerKey({ key: scU32(6), contract: id(6) }), ledgerKey({ key: balance(id(7), 1n).key })],
    }),
  ]);

test("the schema is version 2, to the letter", () => {
  const { schema } = tableFromIPC(stream(mixed()));
  expect(schema.fields.map((field) => `${field.name} ${field.type}${field.nullable ? "?" : ""}`)).toEqual([
    "contract_id Utf8",
    "contract_key_type Dictionary<Int8, Utf8>",
    "contract_durability Dictionary<Int8, Utf8>",
    "asset_code Utf8?",
    "asset_issuer Utf8?",
    "asset_type Dictionary<Int8, Utf8>?",
    "balance_holder Utf8?",
    "balance Decimal[38e0]?",
    "last_modified_ledger Uint32?",
    "deleted Bool",
    "ledger_sequence Uint32",
    "closed_at Timestamp<MICROSECOND, UTC>",
    "ledger_key_hash Utf8?",
    "key_xdr Binary?",
    "val_xdr Binary?",
    "contract_instance_type Dictionary<Int8, Utf8>?",
    "contract_instance_wasm_hash Utf8?",
    "expiration_ledger_seq Uint32?",
    "balance_text Utf8?",
    "change_type Dictionary<Int8, Utf8>",
    "transaction_hash Utf8?",
    "transaction_index Uint32?",
    "operation_index Uint32?",
    "change_index Uint32",
    "key_json Utf8?",
    "val_json Utf8?",
    "contract_instance_storage_entries Uint32?",
    "contract_instance_storage_bytes Uint32?",
    "is_sac Bool?",
    "transaction_order Uint32",
    "balance_kind Dictionary<Int8, Utf8>?",
  ]);
  expect(columnNames(2).slice(0, 18)).toEqual(columnNames(1));
  expect(schema.metadata.get("schema_version")).toBe("2.0");
  expect(schema.metadata.get("network_passphrase")).toBe(NETWORK);
  for (const field of schema.fields) expect(field.metadata.get("description")).not.toBeEmpty();
});

test("each row has what it should", () => {
  const rows = objects(readBack(stream(mixed())));
  const column = (name: string): unknown[] => rows.map((row) => row[name]);
  expect(column("change_type")).toEqual([
    ...Array(10).fill("created"),
    "removed",
    "restored",
    "created",
    "evicted",
    "evicted",
  ]);
  expect(column("balance_holder").map((holder) => (holder as string | null)?.[0])).toEqual([
    ...[undefined, undefined, "G", "C", "B", "L", "M"],
    ...Array(7).fill(undefined),
    "C",
  ]);
  expect(column("balance").slice(2, 8)).toEqual(["5", String(10n ** 38n - 1n), null, null, "0", null]);
  expect(column("balance_text").slice(2, 8)).toEqual([
    ...["5", String(10n ** 38n - 1n), String(10n ** 38n), String(2n ** 127n - 1n), "0"],
    null,
  ]);
  expect(column("last_modified_ledger").slice(9)).toEqual([100, 7, 0, 100, null, null]);
  expect(column("deleted").slice(9)).toEqual([false, true, false, false, true, true]);
  expect(column("transaction_index")).toEqual([...Array(12).fill(1), null, null, null]);
  expect(column("transaction_order")).toEqual([...Array(12).fill(1), ...Array(3).fill(4_294_967_295)]);
  expect(column("transaction_hash")).toEqual([...Array(12).fill("aa".repeat(32)), null, null, null]);
  expect(column("operation_index")).toEqual([null, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, null, null, null]);
  expect(column("change_index")).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2]);
  expect(column("contract_instance_type").slice(7, 10)).toEqual(["wasm", "stellar_asset", "stellar_asset"]);
  expect(column("contract_instance_storage_entries").slice(6, 11)).toEqual([null, 2, 0, 0, null]);
  expect(column("contract_instance_storage_bytes").slice(6, 11)).toEqual([null, 2 * (12 + 8), 0, 0, null]);
  expect(column("is_sac").slice(6, 11)).toEqual([null, false, true, true, null]);
  expect(column("key_json").slice(0, 2)).toEqual([{ symbol: "tx" }, { symbol: "a" }]);
  expect(column("val_json").slice(9)).toEqual([
    { contract_instance: { executable: "stellar_asset", storage: null } },
    ...[{ u32: 0 }, { u32: 0 }, { u32: 0 }, null, null],
  ]);
});

test("every run of rows is what the text says", () => {
  const rows = mixed();
  for (let first = 0; first <= rows.length; first++) {
    for (let end = first; end <= rows.length; end++) {
      expect(readBack(stream(rows, first, end))).toBe(toNdjson(encoder.columns, rows, first, end));
    }
  }
});

describe("dictionaries", () => {
  test("are the same messages whatever the rows, numbered by column", () => {
    const messages = dictionaryMessages(encoder.columns);
    expect(messages.map(({ header }) => (Message.decode(header).header() as DictionaryBatch).id)).toEqual([
      0, 1, 2, 3, 4, 5,
    ]);
    expect(dictionaryMessages(new BatchEncoder({ schemaVersion: 2, networkPassphrase: "other" }).columns)).toEqual(
      messages,
    );
    for (const { header, body } of messages) {
      const message = Message.decode(header);
      expect(message.isDictionaryBatch()).toBe(true);
      expect(message.bodyLength).toBe(body.length);
      expect((message.header() as DictionaryBatch).isDelta).toBe(false);
    }
  });

  test("come for projected columns only, and keep their numbers", () => {
    const columns = ["change_type", "contract_id"];
    const some = new BatchEncoder({ schemaVersion: 2, networkPassphrase: NETWORK, columns });
    const [message, ...others] = dictionaryMessages(some.columns);
    expect((Message.decode(message!.header).header() as DictionaryBatch).id).toBe(4);
    expect(others).toEqual([]);
    const { schema } = tableFromIPC(stream(mixed(), 0, 3, some)) as { schema: Schema };
    expect((schema.fields[0]!.type as Dictionary).id).toBe(4);
    expect(dictionaryMessages(new BatchEncoder({ schemaVersion: 1, networkPassphrase: NETWORK }).columns)).toEqual([]);
  });
});

test("a projection says what the decoder may leave out", () => {
  const options = (columns?: string[]): BatchEncoder["decoderOptions"] =>
    new BatchEncoder({ schemaVersion: 2, networkPassphrase: NETWORK, columns }).decoderOptions;
  expect(options()).toEqual({ datasets: ["contract_data"], schemaVersion: 2, keyHash: true, assets: true });
  expect(options(["key_json", "balance"])).toEqual({
    datasets: ["contract_data"],
    schemaVersion: 2,
    keyHash: false,
    assets: false,
  });
  expect(options(["expiration_ledger_seq"])).toEqual({
    datasets: ["contract_data"],
    schemaVersion: 2,
    keyHash: true,
    assets: false,
  });
  for (const name of ["asset_code", "asset_issuer", "asset_type", "is_sac"]) expect(options([name]).assets).toBe(true);
  expect(new BatchEncoder({ schemaVersion: 1, networkPassphrase: NETWORK }).decoderOptions).toEqual({
    ...{ datasets: ["contract_data"], schemaVersion: 1, keyHash: true, assets: false },
  });
});

describe("JSON that is measured before it is written", () => {
  const many = (count: number, bytes: number): RowSet =>
    decode([
      buildLedger({
        transactions: [
          {
            operations: Array.from({ length: count }, (_, i) => [
              created({ key: scU32(i), val: scVec([scBytes(new Uint8Array(i % bytes)), scMap([])]) }),
            ]),
          },
        ],
      }),
    ]);
  const columns = ["change_index", "key_json", "val_json"];
  const json = (): BatchEncoder => new BatchEncoder({ schemaVersion: 2, networkPassphrase: NETWORK, columns });

  test("fits to the byte, in any order of asking", () => {
    const rows = many(3000, 50);
    const by = json();
    for (const first of [2000, 0, 1, 1500]) {
      for (const count of [1, 7, 64, 500]) {
        const { bodyBytes } = by.plan(rows, first, first + count);
        expect(by.fit(rows, first, 10_000, bodyBytes)).toBe(first + count);
        expect(by.fit(rows, first, 10_000, bodyBytes - 1)).toBe(first + count - 1);
      }
    }
  });

  test("batch after batch is as if each were alone", () => {
    const rows = many(3000, 50);
    const by = json();
    let text = "";
    for (let first = 0; first < rows.length; ) {
      const end = by.fit(rows, first, 1000, 20_000);
      text += readBack(stream(rows, first, end, by));
      first = end;
    }
    expect(text).toBe(toNdjson(json().columns, rows));
  });

  test("also where more is measured than is kept", () => {
    const rows = many(400, 40_000); // 16 MB of JSON
    const by = json();
    expect(by.fit(rows, 0, 400, 1 << 30)).toBe(400);
    const wide = readBack(stream(rows, 0, 400, by));
    expect(wide).toBe(toNdjson(json().columns, rows));
    expect(readBack(stream(rows, 390, 400, by))).toBe(toNdjson(json().columns, rows, 390, 400));
  });

  test("and a row set that was cleared, or cut and filled again, is measured anew", () => {
    const by = json();
    const rows = many(10, 50);
    by.plan(rows, 0, 10);
    const decoder = new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default", ...by.decoderOptions });
    const other = buildLedger({ transactions: [{ operations: [[created({ key: scSymbol("other") })]] }] });
    rows.truncate(5, 1);
    decoder.decode(other, rows);
    expect(readBack(stream(rows, 0, 6, by))).toBe(toNdjson(json().columns, rows));
    rows.clear();
    decoder.decode(other, rows);
    expect(readBack(stream(rows, 0, 1, by))).toBe(toNdjson(json().columns, rows));
  });
});

test("rows of version 2 are not laid out as version 1", () => {
  const old = new BatchEncoder({ schemaVersion: 1, networkPassphrase: NETWORK });
  expect(() => old.plan(mixed(), 0, 1)).toThrow(expect.objectContaining({ reason: "ROWS_SCHEMA" }));
});

test("text that JSON must escape comes back", () => {
  const text = 'quote " backslash \\ newline \n bell \u0007';
  const val = concat(u32(14), opaque(new TextEncoder().encode(text)));
  const rows = decode([buildLedger({ transactions: [{ operations: [[created({ key: scU32(1), val })]] }] })]);
  const [row] = objects(readBack(stream(rows)));
  expect(row!.val_json).toEqual({ string: 'quote " backslash \\\\ newline \\n bell \\x07' });
});

describe.skipIf(!hasShared)("real ledgers", () => {
  const check = (ledgers: Uint8Array[]): void => {
    for (const compat of ["default", "go"] as const) {
      const rows = decode(ledgers, compat);
      const text = toNdjson(encoder.columns, rows);
      expect(readBack(stream(rows)) === text).toBe(true);
      const keys = objects(text).map((row) => `${row.ledger_sequence} ${row.transaction_order} ${row.change_index}`);
      expect(new Set(keys).size).toBe(keys.length);
    }
  };
  test.each([...filesUnder("pubnet", ".xdr.zst"), ...filesUnder("edge", ".xdr")])("%s", (path) =>
    check([readLedgers(path)]),
  );
  test("stellar-core's unit tests", () => {
    for (const path of filesUnder("core", ".xdr.zst")) check(records(readLedgers(path)));
  }, 30_000);
  test("some of the lake", () =>
    check(
      filesUnder("lake", ".xdr.zst")
        .slice(0, 4)
        .flatMap((path) => [...splitBatch(readLedgers(path))].map((ledger) => ledger.bytes)),
    ));

  test("every balance of an asset contract in the pubnet ledgers names its asset, by their events alone", () => {
    for (const path of filesUnder("pubnet", ".xdr.zst")) {
      const rows = objects(toNdjson(encoder.columns, decode([readLedgers(path)])));
      for (const row of rows.filter((row) => row.balance_kind === "asset_contract")) {
        expect(row.is_sac).toBe(true);
        expect(row.asset_type).not.toBeNull();
        expect(row.asset_code === null).toBe(row.asset_type === "AssetTypeAssetTypeNative");
      }
    }
  });
});
