/** One rule, one small ledger. */
import { describe, expect, test } from "bun:test";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import type { Cell } from "../../src/columns/column.ts";
import { TsvWriter } from "../../src/columns/text.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { networkId } from "../../src/ledger/network.ts";
import { NONE, RowSet } from "../../src/ledger/row-set.ts";
import { ASSET_ALPHANUM4, ASSET_ALPHANUM12, ASSET_NONE, REASON_NAMES } from "../../src/ledger/terms.ts";
import type { Compat } from "../../src/vocabulary/compat.ts";
import { sha256 } from "../../src/xdr/sha256.ts";
import { formatStrkey, STRKEY_ACCOUNT, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";
import {
  accountAddress,
  balance,
  buildLedger,
  concat,
  created,
  id,
  type Ledger,
  ledgerKey,
  NETWORK,
  opaque,
  removed,
  restored,
  scBool,
  scBytes,
  scI128,
  scInstance,
  scInstanceKey,
  scMap,
  scNonceKey,
  scString,
  scSymbol,
  scU32,
  scVec,
  state,
  ttlCreated,
  u32,
  updated,
} from "./build.ts";

type Row = Record<string, Cell> & { change: number; reason: string; txIndex: number; opIndex: number; index: number };

function decode(ledger: Ledger, compat: Compat = "default"): Row[] {
  const rows = new RowSet();
  new LedgerDecoder({ networkPassphrase: NETWORK, compat }).decode(buildLedger(ledger), rows);
  const { columns } = new BatchEncoder({ schemaVersion: 1, networkPassphrase: NETWORK });
  return Array.from({ length: rows.length }, (_, row) => ({
    ...Object.fromEntries(columns.map((column) => [column.spec.name, column.cell(rows, row)])),
    change: rows.change[row]!,
    reason: REASON_NAMES[rows.reason[row]!]!,
    txIndex: rows.txIndex[row]!,
    opIndex: rows.opIndex[row]!,
    index: rows.changeIndex[row]!,
  }));
}

const operation = (...changes: Uint8Array[]): Ledger => ({ transactions: [{ operations: [changes] }] });
const key = scSymbol("k");
const contract = (byte: number): string => formatStrkey(id(byte), STRKEY_CONTRACT);

describe("pairing", () => {
  test("created, updated and removed entries; a state alone is no row", () => {
    const rows = decode(
      operation(
        created({ key, contract: id(1) }),
        state({ key, contract: id(2), lastModified: 7 }),
        updated({ key, contract: id(2), val: scU32(5) }),
        state({ key, contract: id(3), lastModified: 8, val: scU32(6) }),
        removed({ key, contract: id(3) }),
        state({ key, contract: id(4) }),
      ),
    );
    expect(rows.map((row) => [row.contract_id, row.change, row.deleted, row.last_modified_ledger])).toEqual([
      [contract(1), 0, false, 100],
      [contract(2), 1, false, 100],
      [contract(3), 2, true, 8],
    ]);
    // A removed entry shows the state before it.
    expect(rows[2]!.val_xdr).toBe(Buffer.from(scU32(6)).toString("base64"));
  });

  test("restored then updated or removed gives two rows, one in compat go", () => {
    const ledger = operation(
      restored({ key, contract: id(1), lastModified: 50 }),
      updated({ key, contract: id(1) }),
      restored({ key, contract: id(2), lastModified: 60 }),
      removed({ key, contract: id(2) }),
    );
    expect(decode(ledger).map((row) => [row.change, row.last_modified_ledger])).toEqual([
      [4, 50],
      [1, 100],
      [4, 60],
      [2, 60],
    ]);
    expect(decode(ledger, "go").map((row) => row.change)).toEqual([1, 2]);
  });

  test.each([
    ["updated first in its list", [updated({ key })]],
    ["removed first in its list", [removed({ key })]],
    ["updated after updated", [state({ key }), updated({ key }), updated({ key })]],
    ["updated after removed", [state({ key }), removed({ key }), updated({ key })]],
    ["removed after updated", [state({ key }), updated({ key }), removed({ key })]],
    ["removed after removed", [state({ key }), removed({ key }), removed({ key })]],
    ["updated after created", [created({ key }), updated({ key })]],
    ["updated after another key's state", [state({ key: scSymbol("x") }), updated({ key })]],
    ["removed after another key's state", [state({ key: scSymbol("x") }), removed({ key })]],
    ["updated after an entry of another type", [restored({ key }), ttlCreated(id(1), 5).with(3, 1)]],
  ])("refused: %s", (_, changes) => {
    expect(() => decode(operation(...changes))).toThrow(
      expect.objectContaining({
        reason: "LEDGER_CHANGE_PAIRING",
        code: "DATA_LOSS",
        path: expect.stringMatching(/^LedgerCloseMeta\.v1\.txProcessing\[0\].*operations\[0\]\.changes\[\d\]$/),
      }),
    );
  });
});

describe("order", () => {
  test("inside a list by the ledger key's bytes, equal keys as they came", () => {
    const many = Array.from({ length: 50 }, (_, i) => created({ key: scU32((i * 37) % 50), contract: id(1) }));
    const rows = decode(operation(...many, restored({ key: scU32(3) }), updated({ key: scU32(3), val: scBool(true) })));
    const keys = rows.map((row) => Buffer.from(String(row.key_xdr), "base64").readUInt32BE(4));
    expect(keys).toEqual(keys.toSorted((a, b) => a - b));
    expect(rows.slice(3, 6).map((row) => row.change)).toEqual([0, 4, 1]);
    expect(rows.map((row) => row.index)).toEqual(rows.map((_, i) => i));
  });

  test("fees of all transactions, then transactions with their operations, then upgrades", () => {
    const at = (byte: number): Uint8Array[] => [created({ key, contract: id(byte) })];
    const transactions = [10, 20].map((n) => ({
      fee: at(n),
      before: at(n + 1),
      operations: [at(n + 2), at(n + 3)],
      after: at(n + 4),
    }));
    const ledger = { transactions, upgrades: [at(30), at(31)] };
    const rows = decode(ledger);
    expect(rows.map((row) => [row.contract_id, row.reason, row.txIndex, row.opIndex])).toEqual([
      [contract(10), "fee", 1, 0],
      [contract(20), "fee", 2, 0],
      [contract(11), "transaction", 1, 0],
      [contract(12), "operation", 1, 0],
      [contract(13), "operation", 1, 1],
      [contract(14), "transaction", 1, 0],
      [contract(21), "transaction", 2, 0],
      [contract(22), "operation", 2, 0],
      [contract(23), "operation", 2, 1],
      [contract(24), "transaction", 2, 0],
      [contract(30), "upgrade", 0, 0],
      [contract(31), "upgrade", 0, 0],
    ]);
    // The Go service asks for the transactions' own changes alone.
    expect(decode(ledger, "go").map((row) => row.contract_id)).toEqual(rows.slice(2, 10).map((row) => row.contract_id));
  });
});

test("nonces, and data of something that is not a contract, are no rows", () => {
  const rows = new RowSet();
  const summary = new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default" }).decode(
    buildLedger(
      operation(created({ key: scNonceKey }), created({ key, address: accountAddress(id(8)) }), created({ key })),
    ),
    rows,
  );
  expect(summary).toEqual({
    ledgerSequence: 100,
    closedAtUnixSeconds: 1_700_000_000,
    protocolVersion: 22,
    transactions: 1,
    changes: 3,
    contractDataChanges: 3,
    evictedKeys: 0,
    rows: 1,
    rowsFiltered: 0,
    places: 1,
    noncesDropped: 1,
    nonContractsDropped: 1,
  });
});

describe("expiration", () => {
  const keyHash = sha256(ledgerKey({ key }));

  test("is the greatest live-until among the key's TTL changes in the ledger", () => {
    const ledger = {
      transactions: [
        { operations: [[ttlCreated(keyHash, 500), ttlCreated(id(7), 900)]] },
        { operations: [[created({ key }), ttlCreated(keyHash, 700)]] },
        { operations: [[ttlCreated(keyHash, 600)]] },
      ],
    };
    const [row] = decode(ledger);
    expect(row!.ledger_key_hash).toBe(Buffer.from(keyHash).toString("hex"));
    expect(row!.expiration_ledger_seq).toBe(700);
    expect(decode(ledger, "go")[0]!.expiration_ledger_seq).toBeNull();
  });

  test("is null where the ledger has none for the key", () => {
    expect(decode(operation(created({ key }), ttlCreated(id(7), 900)))[0]!.expiration_ledger_seq).toBeNull();
  });
});

describe("balances", () => {
  const row = (val: Uint8Array | undefined, holderKey = balance(id(5), 1n).key): Row =>
    decode(operation(created({ key: holderKey, val: val ?? balance(id(5), 1n).val })))[0]!;

  test.each([0n, 1n, 2n ** 63n - 1n])("%p fits", (amount) => {
    expect(row(balance(id(5), amount).val)).toMatchObject({ balance: amount, balance_holder: contract(5) });
  });
  test.each([2n ** 63n, 2n ** 127n - 1n])("%p does not fit 64 bits: holder without a balance", (amount) => {
    expect(row(balance(id(5), amount).val)).toMatchObject({ balance: null, balance_holder: contract(5) });
  });
  test("a negative amount is none", () => {
    expect(row(balance(id(5), -1n).val)).toMatchObject({ balance: null, balance_holder: null });
  });
  test("other shapes are none", () => {
    const account = scVec([scSymbol("Balance"), concat(u32(18), accountAddress(id(5)))]);
    const spelled = scVec([scSymbol("balance"), concat(u32(18), u32(1), id(5))]);
    const { val } = balance(id(5), 1n);
    for (const holderKey of [account, spelled]) expect(row(val, holderKey)).toMatchObject({ balance_holder: null });
    const swapped = scMap([
      [scSymbol("authorized"), scBool(true)],
      [scSymbol("amount"), scI128(1n)],
      [scSymbol("clawback"), scBool(false)],
    ]);
    expect(row(swapped)).toMatchObject({ balance: null, balance_holder: null });
  });
});

describe("assets", () => {
  const preimage = (asset: Uint8Array): Uint8Array => sha256(concat(u32(8), networkId(NETWORK), u32(1), asset));
  const issuer = id(0x33);
  const usd = preimage(concat(u32(1), new TextEncoder().encode("USD\0"), u32(0), issuer));
  const native = preimage(u32(0));
  const info = (...value: Uint8Array[]): [Uint8Array, Uint8Array][] => [
    [scSymbol("other"), scU32(1)],
    [scVec([scSymbol("AssetInfo")]), scVec(value)],
  ];
  const issued = (code: string): [Uint8Array, Uint8Array][] =>
    info(
      scSymbol("AlphaNum4"),
      scMap([
        [scSymbol("asset_code"), scString(code)],
        [scSymbol("issuer"), scBytes(issuer)],
      ]),
    );
  const instance = (contractId: Uint8Array, storage: [Uint8Array, Uint8Array][], compat?: Compat): Row =>
    decode(
      operation(created({ key: scInstanceKey, contract: contractId, val: scInstance("asset", storage) })),
      compat,
    )[0]!;

  test("the asset that the contract's id proves; NULs in its code are dropped", () => {
    for (const code of ["USD", "USD\0"]) {
      expect(instance(usd, issued(code))).toMatchObject({
        asset_code: "USD",
        asset_issuer: formatStrkey(issuer, STRKEY_ACCOUNT),
        asset_type: "AssetTypeAssetTypeCreditAlphanum4",
        contract_instance_type: "stellar_asset",
        contract_instance_wasm_hash: null,
      });
    }
  });
  test("a forged one is none", () => {
    expect(instance(id(1), issued("USD"))).toMatchObject({ asset_code: null, asset_issuer: null, asset_type: null });
    expect(instance(usd, issued("EUR"))).toMatchObject({ asset_type: null });
  });
  describe("a code that is not letters and digits", () => {
    // What the Go service does with these: its rows have each such code, whatever its bytes are (NULs taken out).
    const codes: [string, number[]][] = [
      ["US-D", [0x55, 0x53, 0x2d, 0x44]],
      ["a b.c/d", [0x61, 0x20, 0x62, 0x2e, 0x63, 0x2f, 0x64]],
      ["euro sign", [0xe2, 0x82, 0xac]],
      ["not UTF-8", [0xff, 0x41]],
    ];
    const rowOf = (code: Uint8Array, compat: Compat): { rows: RowSet; ledger: Uint8Array } => {
      const room = code.length <= 4 ? 4 : 12;
      const contractId = preimage(
        concat(u32(room === 4 ? 1 : 2), code, new Uint8Array(room - code.length), u32(0), issuer),
      );
      const fields = scMap([
        [scSymbol("asset_code"), concat(u32(14), opaque(code))],
        [scSymbol("issuer"), scBytes(issuer)],
      ]);
      const val = scInstance("asset", info(scSymbol(`AlphaNum${room}`), fields));
      const ledger = buildLedger(operation(created({ key: scInstanceKey, contract: contractId, val })));
      const rows = new RowSet();
      new LedgerDecoder({ networkPassphrase: NETWORK, compat }).decode(ledger, rows);
      return { rows, ledger };
    };

    test.each(codes)("%s: no asset, but in compat go the code as it is, as upstream has it", (_, bytes) => {
      const code = new Uint8Array(bytes);
      expect(rowOf(code, "default").rows).toMatchObject({ length: 1 });
      expect(rowOf(code, "default").rows.assetType[0]).toBe(ASSET_NONE);
      expect(rowOf(code, "default").rows.assetCodeAt[0]).toBe(NONE);
      const { rows, ledger } = rowOf(code, "go");
      const at = rows.assetCodeAt[0]!;
      expect(rows.assetType[0]).toBe(code.length <= 4 ? ASSET_ALPHANUM4 : ASSET_ALPHANUM12);
      expect(ledger.slice(at, at + rows.assetCodeBytes[0]!)).toEqual(code);
      const line = Buffer.from(new TsvWriter().write(rows)).toString("latin1").split("\t");
      expect(line.slice(9, 12)).toEqual([
        Buffer.from(code).toString("latin1"),
        formatStrkey(issuer, STRKEY_ACCOUNT),
        `AssetTypeAssetTypeCreditAlphanum${code.length <= 4 ? 4 : 12}`,
      ]);
    });
  });
  test("the native asset's contract, but not in compat go", () => {
    const storage = info(scSymbol("Native"));
    expect(instance(native, storage)).toMatchObject({
      asset_code: null,
      asset_issuer: null,
      asset_type: "AssetTypeAssetTypeNative",
    });
    expect(instance(native, storage, "go").asset_type).toBeNull();
    expect(instance(id(1), storage).asset_type).toBeNull();
  });
  test("wasm instances; removed ones have no instance facts in compat go", () => {
    const data = { key: scInstanceKey, val: scInstance(id(0xab), []) };
    const ledger = operation(state(data), removed(data));
    const facts = { contract_instance_type: "wasm", contract_instance_wasm_hash: "ab".repeat(32) };
    expect(decode(ledger)[0]).toMatchObject(facts);
    expect(decode(ledger, "go")[0]).toMatchObject({ contract_instance_type: null, contract_instance_wasm_hash: null });
  });
});

test("one row set holds many ledgers", () => {
  const rows = new RowSet();
  const decoder = new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default" });
  for (let sequence = 1; sequence <= 3000; sequence++) {
    decoder.decode(buildLedger({ ...operation(created({ key: scU32(sequence) })), sequence }), rows);
  }
  expect(rows.length).toBe(3000);
  expect(rows.ledgers[rows.ledger[2999]!]!.sequence).toBe(3000);
  rows.clear();
  expect(rows.ledgers.length).toBe(0);
});
