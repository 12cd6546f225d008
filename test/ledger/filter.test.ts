/** A filter selects only what it names. */
import { describe, expect, test } from "bun:test";
import { CodeSet } from "../../src/ledger/code-set.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import type { DecoderOptions } from "../../src/ledger/decoder-options.ts";
import { shardHash } from "../../src/ledger/filter.ts";
import { networkId } from "../../src/ledger/network.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { RowFilter } from "../../src/vocabulary/row-filter.ts";
import { sha256 } from "../../src/xdr/sha256.ts";
import { formatStrkey, STRKEY_ACCOUNT, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";
import { randomFrom } from "../support/random.ts";
import {
  balance,
  buildLedger,
  concat,
  created,
  id,
  NETWORK,
  removed,
  restored,
  scBytes,
  scInstance,
  scInstanceKey,
  scMap,
  scString,
  scSymbol,
  scU32,
  scVec,
  state,
  u32,
  updated,
} from "./build.ts";

const c = (byte: number): string => formatStrkey(id(byte), STRKEY_CONTRACT);
const issuer = id(0x33);
const usd = sha256(
  concat(u32(8), networkId(NETWORK), u32(1), u32(1), new TextEncoder().encode("USD\0"), u32(0), issuer),
);
const assetInfo = scVec([
  scSymbol("AlphaNum4"),
  scMap([
    [scSymbol("asset_code"), scString("USD")],
    [scSymbol("issuer"), scBytes(issuer)],
  ]),
]);

// One row of each sort, told apart by lastModified. Rows leave in key order.
const ledger = buildLedger({
  transactions: [
    {
      operations: [
        [created({ contract: id(1), key: scU32(1), lastModified: 1 })],
        [created({ contract: id(2), key: scSymbol("s"), lastModified: 2, durability: 0 })],
        [
          state({ contract: id(3), key: scU32(1), lastModified: 3 }),
          updated({ contract: id(3), key: scU32(1), lastModified: 3 }),
        ],
        [state({ contract: id(4), key: scU32(1), lastModified: 4 }), removed({ contract: id(4), key: scU32(1) })],
        [restored({ contract: id(5), key: scU32(1), lastModified: 5 })],
        [created({ contract: id(6), ...balance(id(0x61), 10n), lastModified: 6 })],
        [created({ contract: id(6), ...balance(id(0x62), 2n ** 100n), lastModified: 7 })],
        [
          created({
            contract: usd,
            key: scInstanceKey,
            val: scInstance("asset", [[scVec([scSymbol("AssetInfo")]), assetInfo]]),
            lastModified: 8,
          }),
        ],
      ],
    },
  ],
});

function select(filter: RowFilter): number[] {
  const rows = new RowSet();
  const summary = new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default", filter }).decode(ledger, rows);
  expect(summary.rows + summary.rowsFiltered).toBe(8);
  return [...rows.lastModified.subarray(0, rows.length)];
}

test.each<[string, RowFilter, number[]]>([
  ["nothing named", {}, [1, 2, 3, 4, 5, 6, 7, 8]],
  ["empty lists", { contractIds: [], assetCodes: [], keyTypes: [], changeTypes: [] }, [1, 2, 3, 4, 5, 6, 7, 8]],
  ["contract ids", { contractIds: [c(2), c(6), c(2)] }, [2, 6, 7]],
  ["a contract that is not there", { contractIds: [c(9)] }, []],
  ["key types", { keyTypes: ["ScValTypeScvU32"] }, [1, 3, 4, 5]],
  ["key types, short", { keyTypes: ["Symbol", "ScvVec"] }, [2, 6, 7]],
  ["temporary", { durability: "temporary" }, [2]],
  ["persistent", { durability: "persistent" }, [1, 3, 4, 5, 6, 7, 8]],
  ["change types", { changeTypes: ["removed", "restored"] }, [4, 5]],
  ["no deleted ones", { includeDeleted: false }, [1, 2, 3, 5, 6, 7, 8]],
  ["deleted ones named and left out", { changeTypes: ["removed"], includeDeleted: false }, []],
  ["asset code", { assetCodes: ["EUR", "USD"] }, [8]],
  ["asset code in another case", { assetCodes: ["usd"] }, []],
  ["asset issuer", { assetIssuers: [formatStrkey(issuer, STRKEY_ACCOUNT)] }, [8]],
  ["holder", { balanceHolders: [c(0x62)] }, [7]],
  ["least balance", { balanceMin: 0n }, [6, 7]],
  ["least balance, exactly", { balanceMin: 10n }, [6, 7]],
  ["least balance, one more", { balanceMin: 11n }, [7]],
  ["least balance of more than 64 bits", { balanceMin: 2n ** 100n + 1n }, []],
  ["modified after a ledger", { modifiedAfterLedger: 3 }, [4, 5, 6, 7, 8]],
  [
    "modified after a ledger, and removed: by the state before",
    { modifiedAfterLedger: 3, changeTypes: ["removed"] },
    [4],
  ],
  ["removed, and last modified too early", { modifiedAfterLedger: 4, changeTypes: ["removed"] }, []],
  ["modified after ledger 0", { modifiedAfterLedger: 0 }, [1, 2, 3, 4, 5, 6, 7, 8]],
  ["modified after the last ledger that there can be", { modifiedAfterLedger: 0xffff_ffff }, []],
  ["two kinds must both hold", { contractIds: [c(1), c(6)], keyTypes: ["U32"] }, [1]],
])("%s", (_, filter, expected) => {
  expect(select(filter)).toEqual(expected);
});

test("shards are disjoint and together everything", () => {
  const count = 3;
  const shards = Array.from({ length: count }, (_, index) => select({ shard: { index, count } }));
  expect(shards.flat().toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  // FNV-1a of 32 zero bytes, from the definition: the offset basis times the prime to the 32nd.
  let hash = 0x811c9dc5n;
  for (let i = 0; i < 32; i++) hash = (hash * 0x01000193n) & 0xffff_ffffn;
  expect(shardHash(new DataView(new ArrayBuffer(32)), 0)).toBe(Number(hash));
});

test("rows that are filtered out still count in the change index", () => {
  const rows = new RowSet();
  const filter = { keyTypes: ["Symbol"] };
  const bytes = buildLedger({
    transactions: [{ operations: [[created({ key: scU32(1) })], [created({ key: scSymbol("s") })]] }],
  });
  new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default", filter }).decode(bytes, rows);
  expect([...rows.changeIndex.subarray(0, rows.length)]).toEqual([1]);
});

test("a set of asset codes has what was put in, and NULs in what is asked about do not count", () => {
  const random = randomFrom(20_251_126);
  const letters = "ABCabc019";
  const code = (): string =>
    Array.from({ length: 1 + Math.floor(random() * 12) }, () => letters[Math.floor(random() * letters.length)]).join(
      "",
    );
  const given = new Set(Array.from({ length: 3000 }, code));
  const codes = new CodeSet([...given, ...given].map((each) => new TextEncoder().encode(each)));
  const has = (text: string): boolean => {
    const bytes = new TextEncoder().encode(`....${text}`); // at an offset
    return codes.has(new DataView(bytes.buffer), 4, bytes.length - 4);
  };
  for (const each of given) expect(has(each)).toBe(true);
  for (let i = 0; i < 3000; i++) {
    const other = code();
    expect(has(other)).toBe(given.has(other));
  }
  const short = [...given].find((each) => each.length < 10)!;
  expect(has(`${short}\0\0`)).toBe(true);
  expect(has(`\0${short}`)).toBe(true);
  expect(has("\0\0\0")).toBe(false);
});

test.each<[Partial<DecoderOptions>, string]>([
  [{ compat: "GO" as never }, 'compat is "GO"'],
  [{ schemaVersion: "2" as never }, 'schemaVersion is "2"'],
  [{ networkPassphrase: undefined as never }, "networkPassphrase is undefined"],
])("an option that cannot be is refused, not taken for another: %p", (options, message) => {
  expect(() => new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default", ...options })).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) }),
  );
});

describe("values that cannot be are refused by name", () => {
  test.each<[RowFilter, string]>([
    [{ contractIds: ["CABC"] }, '"CABC" is not a C… strkey'],
    [{ contractIds: [c(1).replace(/.$/, "A")] }, "the checksum is wrong"],
    [{ contractIds: [formatStrkey(id(1), STRKEY_ACCOUNT)] }, "it begins with G, not C"],
    [{ assetIssuers: [c(1)] }, "it begins with C, not G"],
    [{ balanceHolders: [c(1).toLowerCase()] }, "is not a base32 character"],
    [{ assetCodes: ["THIRTEENCHARS"] }, '"THIRTEENCHARS" has 13 bytes'],
    [{ assetCodes: ["USD\0"] }, '"USD\\u0000" has a NUL'],
    [{ contractId: [c(1)] } as never, 'there is no filter "contractId": there are contractIds, '],
    [{ assetCodes: "USDC" as never }, 'assetCodes is to be a list of texts, not "USDC"'],
    [{ contractIds: [7 as never] }, "contractIds is to be a list of texts, not [7]"],
    [{ balanceMin: 5 as never }, "balanceMin is to be a bigint, not 5"],
    [{ balanceMin: "5" as never }, 'balanceMin is to be a bigint, not "5"'],
    [{ includeDeleted: "false" as never }, 'includeDeleted is to be a boolean, not "false"'],
    [{ shard: 1 as never }, "shard is to be { index, count }, not 1"],
    [{ modifiedAfterLedger: 5n as never }, "modifiedAfterLedger is to be a number, not 5n"],
    [{ keyTypes: ["Vecs"] }, 'key type "Vecs" is not one of'],
    [{ changeTypes: ["state" as never] }, 'change type "state" is not one of'],
    [{ durability: "forever" as never }, 'durability "forever"'],
    [{ balanceMin: -1n }, "balanceMin -1"],
    [{ modifiedAfterLedger: -1 }, "modifiedAfterLedger -1 is not between 0 and 4294967295"],
    [{ modifiedAfterLedger: 1.5 }, "modifiedAfterLedger 1.5"],
    [{ modifiedAfterLedger: 2 ** 32 }, "modifiedAfterLedger 4294967296"],
    [{ shard: { index: 3, count: 3 } }, "shard index 3 is not below 3"],
    [{ shard: { index: 0, count: 0 } }, "shard count 0"],
  ])("%p", (filter, message) => {
    expect(() => select(filter)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) }),
    );
  });
});
