/**
 * Balances of tokens that are no asset contracts, in schema version 2: an i128 alone under Vec[Sym "Balance", Address].
 * Each look-alike differs from that in one point, and is no balance.
 */
import { describe, expect, test } from "bun:test";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { toNdjson } from "../../src/columns/text.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import type { DecoderOptions } from "../../src/ledger/decoder-options.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { RowFilter } from "../../src/vocabulary/row-filter.ts";
import type { SchemaVersion } from "../../src/vocabulary/schema-version.ts";
import { formatStrkey, STRKEY_ACCOUNT, STRKEY_CONTRACT, STRKEY_MUXED } from "../../src/xdr/strkey.ts";
import {
  accountAddress,
  type Bytes,
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
  removed,
  restored,
  scAddress,
  scBool,
  scBytes,
  scI128,
  scInstance,
  scInstanceKey,
  scMap,
  scString,
  scSymbol,
  scU32,
  scVec,
  state,
  u32,
  u64,
  updated,
} from "./build.ts";

const I128_MAX = 2n ** 127n - 1n; // 39 digits
const holder = scAddress(accountAddress(id(7)));
const key = scVec([scSymbol("Balance"), holder]);
const wide = (type: number, ...words: bigint[]): Bytes => concat(u32(type), ...words.map(u64));

type Data = Parameters<typeof created>[0];
type Row = Record<string, unknown>;

function rowsOf(changes: Bytes[], schemaVersion: SchemaVersion = 2, options: Partial<DecoderOptions> = {}): Row[] {
  return ofLedger(buildLedger({ transactions: [{ operations: [changes] }] }), schemaVersion, options);
}

function ofLedger(ledger: Bytes, schemaVersion: SchemaVersion = 2, options: Partial<DecoderOptions> = {}): Row[] {
  const encoder = new BatchEncoder({ schemaVersion, networkPassphrase: NETWORK });
  const rows = new RowSet();
  new LedgerDecoder({
    ...{ networkPassphrase: NETWORK, compat: "default" },
    ...encoder.decoderOptions,
    ...options,
  }).decode(ledger, rows);
  const lines = toNdjson(encoder.columns, rows).split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Row);
}

/** Holder, balance, balance_text, balance_kind. */
const cells = (row: Row) => [row.balance_holder, row.balance, row.balance_text, row.balance_kind];
const NO_BALANCE = [null, null, null, null];
const HOLDER = formatStrkey(id(7), STRKEY_ACCOUNT);
const MUXED = formatStrkey(concat(id(7), u64(3n)), STRKEY_MUXED);

describe("a token's balance", () => {
  test("names every kind of holder, and has every amount in full", () => {
    const balances: [Bytes, bigint][] = [
      [accountAddress(id(7)), 0n],
      [contractAddress(id(7)), 2n ** 63n],
      [muxedAddress(id(7), 3n), 10n ** 38n - 1n],
      [claimableBalanceAddress(id(7)), 10n ** 38n],
      [poolAddress(id(7)), I128_MAX],
    ];
    const keyOf = (address: Bytes) => scVec([scSymbol("Balance"), scAddress(address)]);
    const ledger = buildLedger({
      transactions: [
        { operations: balances.map(([address, n]) => [created({ key: keyOf(address), val: scI128(n) })]) },
      ],
    });
    expect(ofLedger(ledger).map(cells)).toEqual([
      [HOLDER, "0", "0", "token"],
      [formatStrkey(id(7), STRKEY_CONTRACT), String(2n ** 63n), String(2n ** 63n), "token"],
      [MUXED, ...Array(2).fill(`${10n ** 38n - 1n}`), "token"],
      ["BAAAOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOB4RVQ", null, String(10n ** 38n), "token"],
      ["LADQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQPEA4", null, String(I128_MAX), "token"],
    ]);
  });

  test("through its life: created, updated, removed with what it was, restored; evicted without an amount", () => {
    const data = (n: bigint): Data => ({ key, val: scI128(n) });
    const ledger = buildLedger({
      transactions: [
        {
          operations: [
            [created(data(1n))],
            [state(data(1n)), updated(data(2n))],
            [state(data(2n)), removed({ key })],
            [restored(data(3n))],
          ],
        },
      ],
      evicted: [ledgerKey({ key })],
    });
    expect(ofLedger(ledger).map((row) => [row.change_type, ...cells(row)])).toEqual([
      ["created", HOLDER, "1", "1", "token"],
      ["updated", HOLDER, "2", "2", "token"],
      ["removed", HOLDER, "2", "2", "token"],
      ["restored", HOLDER, "3", "3", "token"],
      ["evicted", HOLDER, null, null, null],
    ]);
  });

  test("names no asset, and is told from an asset contract's", () => {
    const [token, asset] = rowsOf([
      created({ contract: id(1), key, val: scI128(5n) }),
      created({ contract: id(2), ...balanceOf(accountAddress(id(7)), 5n) }),
    ]);
    expect(token).toMatchObject({ balance_kind: "token", asset_code: null, asset_type: null, is_sac: null });
    expect(asset).toMatchObject({ balance_kind: "asset_contract", balance_holder: HOLDER, balance: "5" });
  });

  test.each<[string, SchemaVersion, Partial<DecoderOptions>]>([
    ["schema version 1", 1, {}],
    ["schema version 1 with COMPAT=go", 1, { compat: "go" }],
    ["schema version 2 with COMPAT=go", 2, { compat: "go" }],
  ])("is none in %s, nor for its filters", (_, schemaVersion, options) => {
    const changes = [
      created({ key: scVec([scSymbol("Balance"), scAddress(contractAddress(id(7)))]), val: scI128(5n) }),
      created({ ...balanceOf(contractAddress(id(8)), 5n) }),
    ];
    const holders = (filter?: RowFilter) =>
      rowsOf(changes, schemaVersion, { ...options, filter }).map((row) => row.balance_holder);
    const known = formatStrkey(id(8), STRKEY_CONTRACT);
    expect(holders()).toEqual([null, known]);
    expect(holders({ balances: true })).toEqual([known]);
    expect(holders({ balanceMin: 0n })).toEqual([known]);
    expect(holders({ balanceHolders: [formatStrkey(id(7), STRKEY_CONTRACT)] })).toEqual([]);
  });
});

const LOOK_ALIKES: Readonly<Record<string, Data>> = {
  "a negative amount": { key, val: scI128(-1n) },
  "the most negative amount": { key, val: scI128(-(2n ** 127n)) },
  "a u128": { key, val: wide(9, 0n, 5n) },
  "an i64": { key, val: wide(6, 5n) },
  "a u64": { key, val: wide(5, 5n) },
  "a u32, as collections of single things count": { key, val: scU32(5) },
  "an i256": { key, val: wide(12, 0n, 0n, 0n, 5n) },
  "a u256": { key, val: wide(11, 0n, 0n, 0n, 5n) },
  "20 bytes of another type": { key, val: scBytes(new Uint8Array(12)) },
  "a bool": { key, val: scBool(true) },
  "nothing (void)": { key, val: u32(1) },
  "an i128 in a vec": { key, val: scVec([scI128(5n)]) },
  "an i128 in a map": { key, val: scMap([[scSymbol("amount"), scI128(5n)]]) },
  "a map like an asset contract's with a field more": {
    key,
    val: scMap([
      [scSymbol("amount"), scI128(5n)],
      [scSymbol("authorized"), scBool(true)],
      [scSymbol("clawback"), scBool(false)],
      [scSymbol("frozen"), scBool(false)],
    ]),
  },
  "temporary durability": { key, val: scI128(5n), durability: 0 },
  "the symbol in lower case": { key: scVec([scSymbol("balance"), holder]), val: scI128(5n) },
  "the symbol in upper case": { key: scVec([scSymbol("BALANCE"), holder]), val: scI128(5n) },
  "a longer symbol": { key: scVec([scSymbol("Balances"), holder]), val: scI128(5n) },
  "a shorter symbol": { key: scVec([scSymbol("Balanc"), holder]), val: scI128(5n) },
  "another symbol of the same length": { key: scVec([scSymbol("Deposit"), holder]), val: scI128(5n) },
  "a string for a symbol": { key: scVec([scString("Balance"), holder]), val: scI128(5n) },
  "bytes for a symbol": { key: scVec([scBytes(new TextEncoder().encode("Balance")), holder]), val: scI128(5n) },
  "no holder": { key: scVec([scSymbol("Balance")]), val: scI128(5n) },
  "two holders": { key: scVec([scSymbol("Balance"), holder, holder]), val: scI128(5n) },
  "a holder and the number of a token": { key: scVec([scSymbol("Balance"), holder, scU32(1)]), val: scI128(5n) },
  "the holder first": { key: scVec([holder, scSymbol("Balance")]), val: scI128(5n) },
  "a number for a holder": { key: scVec([scSymbol("Balance"), scU32(7)]), val: scI128(5n) },
  "32 bytes for a holder": { key: scVec([scSymbol("Balance"), scBytes(id(7))]), val: scI128(5n) },
  "a strkey as text for a holder": { key: scVec([scSymbol("Balance"), scString(HOLDER)]), val: scI128(5n) },
  "the holder in a vec": { key: scVec([scSymbol("Balance"), scVec([holder])]), val: scI128(5n) },
  "the key in a vec": { key: scVec([key]), val: scI128(5n) },
  "a map for a key": { key: scMap([[scSymbol("Balance"), holder]]), val: scI128(5n) },
  "the holder alone": { key: holder, val: scI128(5n) },
  "the symbol alone": { key: scSymbol("Balance"), val: scI128(5n) },
  "an allowance, as tokens keep it": {
    key: scVec([
      scSymbol("Allowance"),
      scMap([
        [scSymbol("from"), holder],
        [scSymbol("spender"), holder],
      ]),
    ]),
    val: scI128(5n),
  },
  "in an instance's storage": { key: scInstanceKey, val: scInstance(id(3), [[key, scI128(5n)]]) },
  "a vec that is absent": { key: concat(u32(16), u32(0)), val: scI128(5n) },
};

describe("no balance", () => {
  test("there are enough look-alikes", () => {
    expect(Object.keys(LOOK_ALIKES).length).toBeGreaterThanOrEqual(20);
  });

  test.each(Object.entries(LOOK_ALIKES))("%s", (_, data) => {
    const [row] = rowsOf([created(data)]);
    expect(cells(row!)).toEqual(NO_BALANCE);
    for (const filter of [{ balances: true }, { balanceMin: 0n }, { balanceHolders: [HOLDER] }]) {
      expect(rowsOf([created(data)], 2, { filter })).toEqual([]);
    }
  });

  test("a value that turns from an amount into something else, and back", () => {
    const rows = rowsOf([
      created({ key, val: scI128(5n) }),
      state({ key, val: scI128(5n) }),
      updated({ key, val: scU32(5) }),
      state({ key, val: scU32(5) }),
      updated({ key, val: scI128(6n) }),
    ]);
    expect(rows.map((row) => row.balance_text)).toEqual(["5", null, "6"]);
  });
});

describe("filters select balances of both kinds", () => {
  const other = accountAddress(id(8));
  const ledger = buildLedger({
    transactions: [
      {
        operations: [
          [created({ key, val: scI128(5n), lastModified: 1 })],
          [created({ ...balanceOf(accountAddress(id(7)), 6n), contract: id(2), lastModified: 2 })],
          [created({ ...balanceOf(other, 7n), contract: id(2), lastModified: 3 })],
          [created({ key: scVec([scSymbol("Balance"), scAddress(other)]), val: scI128(8n), lastModified: 4 })],
          [created({ ...LOOK_ALIKES["a u128"]!, contract: id(3), lastModified: 5 })],
          [created({ key: scU32(1), lastModified: 6 })],
        ],
      },
    ],
    evicted: [ledgerKey({ key })],
  });

  test.each<[RowFilter, (number | null)[]]>([
    [{ balances: true }, [1, 2, 3, 4, null]],
    [{ balances: false }, [1, 2, 3, 4, 5, 6, null]],
    [{ balances: true, includeDeleted: false }, [1, 2, 3, 4]],
    [{ balanceHolders: [HOLDER] }, [1, 2, null]],
    [{ balances: true, balanceHolders: [HOLDER] }, [1, 2, null]],
    [{ balanceMin: 6n }, [2, 3, 4]],
    [{ balanceMin: 8n }, [4]],
    [{ balanceMin: 6n, balanceHolders: [HOLDER] }, [2]],
    [{ balances: true, keyTypes: ["U32"] }, []],
    [{ balances: true, assetCodes: ["USD"] }, []],
  ])("%p", (filter, expected) => {
    expect(ofLedger(ledger, 2, { filter }).map((row) => row.last_modified_ledger)).toEqual(expected);
  });
});
