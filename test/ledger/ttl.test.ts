/** The dataset `ttl`: every change of a TTL entry, as go-stellar-sdk's ingest gives them (test/reference). */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BatchEncoder, columnNames } from "../../src/columns/batch-encoder.ts";
import { toTsv } from "../../src/columns/text.ts";
import { decodeLedger } from "../../src/decode-ledger.ts";
import { splitBatch } from "../../src/ledger/batch.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import type { DecoderOptions } from "../../src/ledger/decoder-options.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { LOAD_TEST, PUBNET } from "../support/networks.ts";
import * as build from "./build.ts";
import { records } from "./shared-ledgers.ts";

const FIXTURES = join(import.meta.dir, "../fixtures/ledgers");
const { columns } = new BatchEncoder({ dataset: "ttl", schemaVersion: 1, networkPassphrase: "" });

interface Fixture {
  name: string;
  ledgers: Uint8Array[];
  networkPassphrase: string;
}

function fixture(file: string, networkPassphrase: string, ledgersOf: (content: Uint8Array) => Uint8Array[]): Fixture {
  const stored = new Uint8Array(readFileSync(join(FIXTURES, file)));
  const content = stored[0] === 0x28 ? new Uint8Array(Bun.zstdDecompressSync(stored)) : stored;
  return { name: file.replace(/\.xdr.*$/, ""), ledgers: ledgersOf(content), networkPassphrase };
}

const FILES = [
  fixture("58752000.xdr.zst", PUBNET, (content) => [content]),
  fixture("FCD285FF--53312000.xdr.zstd", PUBNET, (content) => [...splitBatch(content)].map(({ bytes }) => bytes)),
  fixture("load-test-ledgers.xdr.zstd", LOAD_TEST, records),
  fixture("ttl-only.xdr", PUBNET, (content) => [content]),
];

function rowsOf(
  ledgers: readonly Uint8Array[],
  options: Omit<DecoderOptions, "compat"> & Partial<DecoderOptions>,
): string {
  const decoder = new LedgerDecoder({ compat: "default", datasets: ["ttl"], ...options });
  const sets = (options.datasets ?? ["ttl"]).map(() => new RowSet());
  for (const ledger of ledgers) decoder.decode(ledger, ...sets);
  return toTsv(columns, sets.at(-1)!);
}

describe.each(FILES)("$name", ({ name, ledgers, networkPassphrase }) => {
  const golden = readFileSync(join(FIXTURES, `${name}.ttl.tsv`), "utf8");

  test("has the reference's rows", () => {
    expect(rowsOf(ledgers, { networkPassphrase })).toBe(golden);
  });

  test("has the same rows beside contract data, whatever is asked of that", () => {
    const beside = { networkPassphrase, datasets: ["contract_data", "ttl"] } as const;
    for (const compat of ["default", "go"] as const) {
      for (const schemaVersion of [1, 2] as const) {
        const filters = [undefined, { durability: "temporary" }, { assetCodes: ["KALE"] }, { balances: true }] as const;
        for (const filter of filters) {
          expect(rowsOf(ledgers, { ...beside, compat, schemaVersion, filter, keyHash: false })).toBe(golden);
        }
      }
    }
  });

  test("shards by the key's hash share the rows out, with their natural keys", () => {
    const shards = [0, 1, 2].map((index) =>
      rowsOf(ledgers, { networkPassphrase, filter: { shard: { index, count: 3 } } })
        .split("\n")
        .slice(0, -1),
    );
    expect(shards.flat().sort()).toEqual(golden.split("\n").slice(0, -1).sort());
    const hashes = shards.map((lines) => new Set(lines.map((line) => line.split("\t")[2])));
    expect(new Set(hashes.flatMap((each) => [...each])).size).toBe(hashes.reduce((sum, { size }) => sum + size, 0));
  });
});

const entry = { key: build.scU32(1), durability: 1 };
const hashOf = (data: typeof entry): Uint8Array =>
  new Uint8Array(createHash("sha256").update(build.ledgerKey(data)).digest());
const ttl = (change: number, hash: Uint8Array, until: number) =>
  build.concat(build.u32(change), build.u32(100), build.u32(9), hash, build.u32(until), build.u32(0));
const ttlKey = (hash: Uint8Array) => build.concat(build.u32(9), hash);
const [CREATED, UPDATED, STATE, RESTORED] = [0, 1, 3, 4] as const;
const removedTtl = (hash: Uint8Array) => build.concat(build.u32(2), ttlKey(hash));

/** Rows as objects. */
function made(ledger: Parameters<typeof build.buildLedger>[0]): Record<string, unknown>[] {
  const batch = decodeLedger(build.buildLedger(ledger), { dataset: "ttl", networkPassphrase: build.NETWORK });
  return batch.toArray().map((row) => ({ ...row.toJSON() }));
}

describe("what becomes of a time to live", () => {
  const hash = hashOf(entry);
  const other = build.id(7);

  test("each kind of change has its word, and what it was before where there is a before", () => {
    const rows = made({
      transactions: [
        {
          operations: [
            [build.created(entry), ttl(CREATED, hash, 500)],
            [ttl(STATE, hash, 500), ttl(UPDATED, hash, 900)],
          ],
        },
        { operations: [[ttl(STATE, hash, 900), removedTtl(hash)]] },
        { operations: [[ttl(RESTORED, hash, 950), ttl(UPDATED, hash, 990)]] },
      ],
    });
    const shown = rows.map((row) => [
      ...[row.change_type, row.live_until_ledger, row.live_until_before],
      ...[row.transaction_index, row.operation_index, row.change_index],
    ]);
    expect(shown).toEqual([
      ["created", 500, null, 1, 0, 0],
      ["extended", 900, 500, 1, 1, 1],
      ["removed", null, 900, 2, 0, 0],
      ["restored", 950, null, 3, 0, 0],
      ["extended", 990, 950, 3, 0, 1],
    ]);
    for (const row of rows) expect(row.contract_durability).toBe("ContractDataDurabilityPersistent"); // one entry's, all of them
  });

  test("an evicted key is a row of the ledger's own, last, with the key that stands beside it", () => {
    const rows = made({
      transactions: [{ operations: [[ttl(CREATED, other, 500)]] }],
      upgrades: [[ttl(CREATED, build.id(8), 500)]],
      evicted: [build.ledgerKey(entry), ttlKey(hash), ttlKey(other)],
    });
    expect(rows.map((row) => row.change_type)).toEqual(["created", "created", "evicted", "evicted"]);
    const [, upgrade, evicted, unknown] = rows;
    expect([upgrade!.change_index, evicted!.change_index, unknown!.change_index]).toEqual([0, 1, 2]);
    expect(evicted).toMatchObject({
      ...{ ledger_key_hash: Buffer.from(hash).toString("hex"), live_until_ledger: null, live_until_before: null },
      ...{ transaction_hash: null, transaction_index: null, transaction_order: 0xffff_ffff, operation_index: null },
      contract_durability: "ContractDataDurabilityPersistent",
    });
    expect(evicted!.contract_id).toStartWith("C");
    expect(unknown).toMatchObject({ contract_id: null, key_xdr: null, contract_durability: null });
  });

  test("rows of one list stand in the order of their keys' hashes, fee lists of all transactions first", () => {
    const created = (byte: number) => ttl(CREATED, build.id(byte), 500);
    const rows = made({
      transactions: [
        { operations: [[created(9), created(3), created(5)]] },
        { fee: [created(1)], operations: [[created(2)]] },
      ],
    });
    expect(rows.map((row) => Number.parseInt(String(row.ledger_key_hash).slice(0, 2), 16))).toEqual([1, 3, 5, 9, 2]);
    expect(rows.map((row) => row.change_index)).toEqual([0, 0, 1, 2, 1]);
  });

  test("nonces, code and data of accounts have rows with no owner", () => {
    const nonce = { key: build.scNonceKey, durability: 0 };
    const account = { address: build.accountAddress(build.id(4)), key: build.scU32(1), durability: 1 };
    for (const data of [nonce, account]) {
      const [row] = made({ transactions: [{ operations: [[build.created(data), ttl(CREATED, hashOf(data), 500)]] }] });
      expect(row).toMatchObject({ live_until_ledger: 500, contract_id: null, key_xdr: null });
    }
  });

  test.each([
    ["updated", [ttl(STATE, hash, 500), ttl(UPDATED, other, 900)]],
    ["removed", [ttl(STATE, hash, 500), removedTtl(other)]],
  ])("one that is %s after the state of another key is no ledger, and leaves no row", (_, operation) => {
    const ledger = build.buildLedger({ transactions: [{ operations: [[ttl(CREATED, other, 1)], operation] }] });
    const decoder = new LedgerDecoder({ networkPassphrase: PUBNET, compat: "default", datasets: ["ttl"] });
    const rows = new RowSet();
    expect(() => decoder.decode(ledger, rows)).toThrow("follows the state of another key");
    expect([rows.length, rows.ledgers.length]).toEqual([0, 0]);
    decoder.decode(build.buildLedger({ transactions: [{ operations: [[ttl(CREATED, hash, 2)]] }] }), rows);
    expect(rows.length).toBe(1);
  });
});

test("the columns that the natural key is made of are never null, and the rest is named once", () => {
  expect(columnNames(1, "ttl")).toEqual([
    ...["ledger_sequence", "closed_at", "ledger_key_hash", "live_until_ledger", "live_until_before", "change_type"],
    ...["transaction_hash", "transaction_index", "transaction_order", "operation_index", "change_index"],
    ...["contract_id", "key_xdr", "contract_durability"],
  ]);
  expect(() => columnNames(2, "ttl")).toThrow("schema version 2 of ttl is not one of 1");
});

test("options that cannot be are refused", () => {
  const options = { networkPassphrase: PUBNET, compat: "default" } as const;
  for (const datasets of [[], ["code"], ["ttl", "ttl"], "ttl"]) {
    expect(() => new LedgerDecoder({ ...options, datasets: datasets as never })).toThrow("contract_data, ttl");
  }
  const decoder = new LedgerDecoder({ ...options, datasets: ["contract_data", "ttl"] });
  expect(() => decoder.decode(build.buildLedger({}), new RowSet())).toThrow("1 row sets are given");
});
