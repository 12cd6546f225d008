/** What the decoder adds for schema version 2: evicted keys, every kind of holder, natural keys. */
import { describe, expect, test } from "bun:test";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import type { DecoderOptions } from "../../src/ledger/decoder-options.ts";
import { NONE, RowSet } from "../../src/ledger/row-set.ts";
import { ADDRESS_CONTRACT, CHANGE_EVICTED, CHANGE_TYPE_NAMES } from "../../src/ledger/terms.ts";
import type { RowFilter } from "../../src/vocabulary/row-filter.ts";
import { LIST_EVICTION } from "../../src/xdr/generated/skip.ts";
import { sha256 } from "../../src/xdr/sha256.ts";
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
  poolAddress,
  scInstanceKey,
  scNonceKey,
  scSymbol,
  scU32,
  state,
  u32,
  updated,
} from "./build.ts";

function decode(ledger: Bytes, options: Partial<DecoderOptions> = {}): RowSet {
  const rows = new RowSet();
  const decoder = new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default", schemaVersion: 2, ...options });
  decoder.decode(ledger, rows);
  return rows;
}

const names = (rows: RowSet): string[] =>
  Array.from({ length: rows.length }, (_, row) => CHANGE_TYPE_NAMES[rows.change[row]!]!);

const accountKey = concat(u32(0), u32(0), id(5)); // LedgerKey of an account
const ttlKey = concat(u32(9), id(5));

const mixed = buildLedger({
  transactions: [
    { operations: [[created({ key: scU32(1) }), created({ key: scU32(2) })], [created({ key: scU32(3) })]] },
    { operations: [[created({ key: scU32(4) })]] },
  ],
  upgrades: [[created({ key: scSymbol("upgrade") })]],
  evicted: [
    ledgerKey({ key: scU32(9), contract: id(9) }),
    ttlKey,
    accountKey,
    ledgerKey({ key: scNonceKey, contract: id(2) }),
    ledgerKey({ key: scU32(8), contract: id(2), durability: 0 }),
    ledgerKey({ key: scU32(7), address: accountAddress(id(2)) }),
    ledgerKey({ key: scInstanceKey, contract: id(3) }),
  ],
});

describe("evicted keys", () => {
  test("have no last modified ledger, so that a filter by it leaves them out; one by nothing does not", () => {
    expect(names(decode(mixed, { filter: { modifiedAfterLedger: 1 } }))).not.toContain("evicted");
    expect(decode(mixed, { filter: { modifiedAfterLedger: 0 } }).length).toBe(decode(mixed).length);
  });

  test("are rows, last in their ledger, in the order of the list, nonces and what is not a contract's left out", () => {
    const rows = decode(mixed);
    expect(names(rows)).toEqual([...Array(5).fill("created"), "evicted", "evicted", "evicted"]);
    const evicted = [5, 6, 7];
    expect(evicted.map((row) => rows.ledgers[0]!.bytes[rows.contractAt[row]!])).toEqual([9, 2, 3]);
    expect(evicted.map((row) => rows.durability[row])).toEqual([1, 0, 1]);
    expect(evicted.map((row) => rows.txHashAt[row])).toEqual([NONE, NONE, NONE]);
    expect(evicted.map((row) => rows.valAt[row])).toEqual([NONE, NONE, NONE]);
    expect(evicted.map((row) => rows.reason[row])).toEqual(Array(3).fill(LIST_EVICTION));
  });

  test("their key hash is that of the LedgerKey", () => {
    const rows = decode(buildLedger({ evicted: [ledgerKey({ key: scU32(9), contract: id(9) })] }));
    expect(rows.keyHash.slice(0, 32)).toEqual(
      sha256(ledgerKey({ key: scU32(9), contract: id(9) })) as Uint8Array<ArrayBuffer>,
    );
  });

  test("are counted, and no rows in schema version 1 or as the Go service has it", () => {
    const rows = new RowSet();
    const decoder = new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default", schemaVersion: 2 });
    expect(decoder.decode(mixed, rows)).toMatchObject({ rows: 8, evictedKeys: 5, contractDataChanges: 5, changes: 5 });
    expect(names(decode(mixed, { schemaVersion: 1 }))).toEqual(Array(5).fill("created"));
    expect(names(decode(mixed, { compat: "go" }))).toEqual(Array(4).fill("created"));
  });

  test.each<[RowFilter, number]>([
    [{ includeDeleted: false }, 0],
    [{ changeTypes: ["evicted"] }, 3],
    [{ changeTypes: ["evicted"], includeDeleted: false }, 0],
    [{ changeTypes: ["created", "removed"] }, 0],
    [{ durability: "temporary" }, 1],
    [{ keyTypes: ["LedgerKeyContractInstance"] }, 1],
    [{ balanceMin: 0n }, 0],
  ])("filter %p", (filter, count) => {
    expect(names(decode(mixed, { filter })).filter((name) => name === "evicted").length).toBe(count);
  });

  test("of a balance name its holder, and no amount", () => {
    const rows = decode(buildLedger({ evicted: [ledgerKey({ key: balance(id(7), 1n).key })] }));
    expect(rows.change[0]).toBe(CHANGE_EVICTED);
    expect(rows.holderKind[0]).toBe(ADDRESS_CONTRACT);
    expect(Buffer.from(rows.ledgers[0]!.bytes).indexOf(id(7), rows.holderAt[0])).toBe(rows.holderAt[0]!);
    expect(rows.balanceAt[0]).toBe(NONE);
  });

  test("a durability that is none fails the ledger, as it does in an entry", () => {
    const bytes = buildLedger({ evicted: [ledgerKey({ key: scU32(9), durability: 5 })] });
    expect(() => decode(bytes)).toThrow("durability 5 is unknown");
  });
});

describe("natural keys", () => {
  const keys = (rows: RowSet): (number | null)[][] =>
    Array.from({ length: rows.length }, (_, row) => [
      rows.txHashAt[row] === NONE ? null : rows.txIndex[row]!,
      rows.changeIndex[row]!,
    ]);
  const all = [
    [1, 0],
    [1, 1],
    [1, 2],
    [2, 0],
    [null, 0],
    [null, 1],
    [null, 2],
    [null, 3],
  ];

  test("count a transaction's changes over its operations, and the ledger's own together", () => {
    expect(keys(decode(mixed))).toEqual(all);
  });

  test("do not depend on filters, of either part", () => {
    expect(keys(decode(mixed, { filter: { contractIds: [] } }))).toEqual(all);
    expect(keys(decode(mixed, { filter: { keyTypes: ["LedgerKeyContractInstance", "Symbol"] } }))).toEqual([
      [null, 0],
      [null, 3],
    ]);
    const withBalance = buildLedger({
      transactions: [{ operations: [[created({ key: scU32(1) }), created({ ...balance(id(2), 5n) })]] }],
    });
    expect(keys(decode(withBalance, { filter: { balanceMin: 1n } }))).toEqual([[1, 1]]);
    expect(keys(decode(withBalance, { filter: { assetCodes: ["USD"] } }))).toEqual([]);
  });

  test("follow the rows' order, not the wire's: fees come first", () => {
    const fee = [created({ key: scSymbol("fee") })];
    const bytes = buildLedger({
      transactions: [
        { operations: [[created({ key: scU32(1) })]] },
        { fee, operations: [[state({ key: scU32(2) }), updated({ key: scU32(2) })]] },
      ],
      evicted: [ledgerKey({ key: scU32(9) })],
    });
    expect(keys(decode(bytes))).toEqual([
      [2, 0],
      [1, 0],
      [2, 1],
      [null, 0],
    ]);
  });
});

test("holders of every kind, of which schema version 1 and the Go service know contracts only", () => {
  const holders = [
    accountAddress(id(0x21)),
    contractAddress(id(0x22)),
    muxedAddress(id(0x23), 7n),
    claimableBalanceAddress(id(0x24)),
    poolAddress(id(0x25)),
  ];
  const bytes = buildLedger({
    transactions: [{ operations: holders.map((holder) => [created({ ...balanceOf(holder, 5n) })]) }],
  });
  const rows = decode(bytes);
  expect([...rows.holderKind.subarray(0, 5)]).toEqual([0, 1, 2, 3, 4]);
  for (let row = 0; row < 5; row++) expect(rows.ledgers[0]!.bytes[rows.holderAt[row]!]).toBe(0x21 + row);
  for (const options of [{ schemaVersion: 1 }, { compat: "go" }] as Partial<DecoderOptions>[]) {
    const few = decode(bytes, options);
    expect([...few.holderAt.subarray(0, 5)].map((at) => at !== NONE)).toEqual([false, true, false, false, false]);
    expect([...few.balanceAt.subarray(0, 5)].map((at) => at !== NONE)).toEqual([false, true, false, false, false]);
  }
});

test("a key of one address that goes on is no balance's", () => {
  const { key, val } = balanceOf(accountAddress(id(1)), 5n);
  const longer = concat(key.slice(0, 8), u32(3), key.slice(12), scU32(1));
  const rows = decode(buildLedger({ transactions: [{ operations: [[created({ key: longer, val })]] }] }));
  expect(rows.holderAt[0]).toBe(NONE);
});
