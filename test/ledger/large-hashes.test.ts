/** Key hashes and expirations of a ledger that is large enough to be hashed while it is walked. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import type { DecoderOptions } from "../../src/ledger/decoder-options.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { ASSET_ISSUER, assetBalance, assetContract, assetInstance } from "../support/asset-world.ts";
import { buildLedger, created, id, ledgerKey, NETWORK, scBytes, scU32, ttlCreated } from "./build.ts";

const KEYS = 700; // that come again and again
const hashOf = (key: number) =>
  createHash("sha256")
    .update(ledgerKey({ key: scU32(key) }))
    .digest();
const liveUntilOf = (key: number) => (key % 3 === 0 ? 5000 + key : 0);

const transactions = Array.from({ length: 300 }, (_, n) => {
  const keys = Array.from({ length: 8 }, (_, i) => (n * 8 + i * 37) % KEYS);
  const changes = keys.map((key) => created({ key: scU32(key), val: scBytes(new Uint8Array(2000).fill(n)) }));
  const ttls = n === 299 ? Array.from({ length: KEYS }, (_, key) => key).filter((key) => liveUntilOf(key) > 0) : [];
  return {
    fee: n % 50 === 0 ? [created({ key: scU32(n % KEYS) })] : [],
    operations: [
      [...changes, ...ttls.map((key) => ttlCreated(hashOf(key), liveUntilOf(key)))],
      n === 3 ? [assetInstance("AST0"), assetBalance(assetContract("AST0"), n)] : [],
    ],
  };
});
const ordered = transactions.map((transaction) => ({ ...transaction, fee: [] }));

const CASES: [string, typeof transactions, Partial<DecoderOptions>, number][] = [
  ["rows in the order of the wire", ordered, {}, 2402],
  ["rows in another order", transactions, {}, 2408],
  ["with ttl", transactions, { datasets: ["contract_data", "ttl"] }, 2408],
  ["those of an asset", transactions, { filter: { assetCodes: ["AST0"], assetIssuers: [ASSET_ISSUER] } }, 2],
  ["none of an asset", transactions, { filter: { assetCodes: ["NONE"] } }, 0],
];

test.each(CASES)("%s", (_name, made, options, count) => {
  const ledger = buildLedger({ transactions: made });
  expect(ledger.length).toBeGreaterThan(4 << 20);
  const decoder = new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default", schemaVersion: 2, ...options });
  const sets = (options.datasets ?? ["contract_data"]).map(() => new RowSet());
  for (let turn = 0; turn < 2; turn++) decoder.decode(ledger, ...sets); // the second one behind the first one's rows
  const [rows, ttl] = sets as [RowSet, RowSet | undefined];
  expect(rows.length).toBe(2 * count);
  for (let row = 0; row < rows.length; row++) {
    const entry = Buffer.from(ledger.subarray(rows.contractAt[row]! - 4, rows.keyAt[row]! + rows.keyBytes[row]! + 4));
    const hash = createHash("sha256")
      .update(Buffer.from([0, 0, 0, 6]))
      .update(entry)
      .digest();
    if (!hash.equals(rows.keyHash.subarray(row * 32, row * 32 + 32))) throw new Error(`row ${row} has another hash`);
    const key = Buffer.from(ledger.buffer, ledger.byteOffset + rows.keyAt[row]!, 8);
    const isPlain = key.readUInt32BE(0) === 3 && rows.contractAt[row] !== 0 && entry.subarray(4, 36).equals(id(1));
    expect(rows.liveUntil[row]).toBe(isPlain ? liveUntilOf(key.readUInt32BE(4)) : 0);
  }
  if (ttl === undefined) return;
  expect(ttl.length).toBe(2 * Math.ceil(KEYS / 3));
  for (let row = 0; row < ttl.length; row++) expect(ttl.keyBytes[row]).toBe(8); // the owner's key was found
});
