/**
 * Defect 14 of the Go service: an asset filter let every row without an asset through, and could not select balances.
 * Here it selects rows of the asset it names and no other, balances too where their contract's asset is known: by their
 * own ledger, by the table given at the start, or by the contract's instance in an earlier ledger of the session.
 */
import { describe, expect, test } from "bun:test";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { ASSET_DELAY_LEDGERS, KnownAssets } from "../../src/ledger/known-assets.ts";
import { networkId } from "../../src/ledger/network.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { RowFilter } from "../../src/vocabulary/row-filter.ts";
import type { SchemaVersion } from "../../src/vocabulary/schema-version.ts";
import { sha256 } from "../../src/xdr/sha256.ts";
import { formatStrkey, STRKEY_ACCOUNT } from "../../src/xdr/strkey.ts";
import {
  accountAddress,
  type Bytes,
  balance,
  balanceOf,
  buildLedger,
  concat,
  contractEvent,
  created,
  id,
  ledgerKey,
  NETWORK,
  scBytes,
  scInstance,
  scInstanceKey,
  scMap,
  scString,
  scSymbol,
  scU32,
  scVec,
  u32,
} from "../ledger/build.ts";
import { MadeSource, plainObject, readAll, TestPipeline } from "../support/pipeline.ts";

const issuer = id(0x33);
const ISSUER = formatStrkey(issuer, STRKEY_ACCOUNT);
const contractOf = (code: string): Bytes =>
  sha256(concat(u32(8), networkId(NETWORK), u32(1), u32(1), new TextEncoder().encode(`${code}\0`), u32(0), issuer));
const usd = contractOf("USD");
const eur = contractOf("EUR");
const instance = scInstance("asset", [
  [
    scVec([scSymbol("AssetInfo")]),
    scVec([
      scSymbol("AlphaNum4"),
      scMap([
        [scSymbol("asset_code"), scString("USD")],
        [scSymbol("issuer"), scBytes(issuer)],
      ]),
    ]),
  ],
]);
const named = (contract: Bytes, code: string): Bytes =>
  contractEvent(contract, [scSymbol("transfer"), scU32(0), scU32(0), scString(`${code}:${ISSUER}`)]);

// lastModified tells the rows apart
const changes = [
  [created({ contract: id(1), key: scU32(1), lastModified: 1 })], // no asset at all
  [created({ contract: usd, ...balance(id(7), 5n), lastModified: 2 })],
  [created({ contract: eur, ...balance(id(7), 5n), lastModified: 3 })],
  [created({ contract: id(2), ...balance(id(7), 5n), lastModified: 4 })], // a balance of no asset
  [created({ contract: usd, ...balanceOf(accountAddress(id(7)), 5n), lastModified: 5 })],
  [created({ contract: usd, key: scU32(1), lastModified: 6 })], // of the asset's contract, but neither of the two
];

interface Case {
  filter: RowFilter;
  events?: Bytes[];
  known?: string[];
  schemaVersion?: SchemaVersion;
  compat?: "default" | "go";
  operations?: Bytes[][];
}

function select({
  filter,
  events,
  known,
  schemaVersion = 1,
  compat = "default",
  operations = changes,
}: Case): number[] {
  const rows = new RowSet();
  const knownAssets = new KnownAssets(NETWORK, known);
  const decoder = new LedgerDecoder({ networkPassphrase: NETWORK, compat, schemaVersion, filter, knownAssets });
  const bytes = buildLedger({ transactions: [{ operations, events }] });
  const summary = decoder.decode(bytes, rows);
  expect(summary.rows + summary.rowsFiltered).toBe(operations.length);
  expect(rows.ledgers.length).toBe(rows.length > 0 ? 1 : 0);
  return [...rows.lastModified.subarray(0, rows.length)];
}

const events = [named(usd, "USD"), named(eur, "EUR")];
const byCode: RowFilter = { assetCodes: ["USD"] };
const byIssuer: RowFilter = { assetIssuers: [ISSUER] };

test("rows without an asset stay out", () => {
  expect(select({ filter: byCode })).toEqual([]);
  expect(select({ filter: byIssuer })).toEqual([]);
});

describe("balances are selected where their contract's asset is known", () => {
  test("by the ledger's events", () => {
    expect(select({ filter: byCode, events })).toEqual([2]);
    expect(select({ filter: byIssuer, events })).toEqual([2, 3]);
    expect(select({ filter: byCode, events, schemaVersion: 2 })).toEqual([2, 5]);
    expect(select({ filter: byIssuer, events, schemaVersion: 2 })).toEqual([2, 3, 5]);
  });

  test("by the table given at the start", () => {
    expect(select({ filter: byCode, known: [`USD:${ISSUER}`], schemaVersion: 2 })).toEqual([2, 5]);
  });

  test("by the contract's instance in the same ledger, which is selected too", () => {
    const operations = [...changes, [created({ contract: usd, key: scInstanceKey, val: instance, lastModified: 7 })]];
    expect(select({ filter: byCode, operations, schemaVersion: 2 })).toEqual([2, 5, 7]);
  });

  test("by the contract's instance in an earlier ledger of the session, whichever workers read the two", async () => {
    const pipeline = await TestPipeline.start({ workers: 3 });
    const first = 1000;
    const holding = [[created({ contract: usd, ...balance(id(7), 5n) })], [created({ contract: eur, key: scU32(1) })]];
    const source = new MadeSource((sequence) => {
      const shown = sequence === first ? [[created({ contract: usd, key: scInstanceKey, val: instance })]] : [];
      const transactions = [{ operations: [...holding, ...shown] }];
      return plainObject(sequence, buildLedger({ sequence, transactions }));
    });
    try {
      const [, stream] = await pipeline.open({
        source,
        start: { ledger: first, row: 0 },
        ledgerEnd: first + ASSET_DELAY_LEDGERS + 20,
        filters: [{ ledgerFrom: first, filter: { assetCodes: ["USD"] } }],
        learnsAssets: true,
      });
      const { rows } = await readAll(stream);
      const ledgers = rows.map((row) => Number(row.slice(0, row.indexOf("|"))));
      const later = Array.from({ length: 21 }, (_, index) => first + ASSET_DELAY_LEDGERS + index);
      expect(ledgers).toEqual([first, first, ...later]); // instance and balance, then balances
    } finally {
      await pipeline.close();
    }
  });

  test("and not by a claim that is not true", () => {
    expect(select({ filter: byCode, events: [named(id(2), "USD"), named(eur, "USD")], schemaVersion: 2 })).toEqual([]);
  });
});

test("kinds are joined: all must hold", () => {
  const other = formatStrkey(id(0x44), STRKEY_ACCOUNT);
  expect(select({ filter: { ...byCode, assetIssuers: [other] }, events })).toEqual([]);
  expect(select({ filter: { ...byCode, balanceMin: 5n }, events })).toEqual([2]);
  expect(select({ filter: { ...byCode, balanceMin: 6n }, events })).toEqual([]);
  const filter = { ...byIssuer, balanceHolders: [formatStrkey(id(7), STRKEY_ACCOUNT)] };
  expect(select({ filter, events, schemaVersion: 2 })).toEqual([5]);
});

test("the eviction of a balance is a change of its asset", () => {
  const rows = new RowSet();
  const knownAssets = new KnownAssets(NETWORK, [`USD:${ISSUER}`]);
  const base = { networkPassphrase: NETWORK, compat: "default", schemaVersion: 2, knownAssets } as const;
  const evicted = [usd, eur].map((contract) => ledgerKey({ contract, key: balance(id(7), 5n).key }));
  new LedgerDecoder({ ...base, filter: byCode }).decode(buildLedger({ evicted }), rows);
  expect(rows.length).toBe(1);
});

test("as the Go service has it, a balance has no asset; still nothing slips through", () => {
  expect(select({ filter: byCode, events, known: [`USD:${ISSUER}`], compat: "go" })).toEqual([]);
});
