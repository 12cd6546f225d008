/**
 * Defect 13: the native asset's contract was never recognised. (Holders that are accounts, and balances over int64, are
 * columns of schema version 2.)
 */
import { expect, test } from "bun:test";
import { networkId } from "../../src/ledger/network.ts";
import { sha256 } from "../../src/xdr/sha256.ts";
import {
  balance,
  buildLedger,
  concat,
  created,
  id,
  scInstance,
  scInstanceKey,
  scSymbol,
  scVec,
  u32,
} from "../ledger/build.ts";
import { PUBNET } from "../support/networks.ts";
import { MadeSource, TestServer } from "./support.ts";

const ENVELOPE_TYPE_CONTRACT_ID = 8;
const FROM_ASSET = 1;
const ASSET_NATIVE = 0;
const PUBNET_NATIVE_CONTRACT = "CAS3J7GYLGXMF6TDJBBYYSE3HQ6BBSMLNUQ34T6TZMYMW2EVH34XOWMA";

/** The rows of a ledger with the native asset's contract, one that pretends to be it, and a balance of XLM. */
async function rows(settings: Record<string, string>): Promise<Record<string, unknown>[]> {
  const contract = sha256(
    concat(u32(ENVELOPE_TYPE_CONTRACT_ID), networkId(PUBNET), u32(FROM_ASSET), u32(ASSET_NATIVE)),
  );
  const instance = scInstance("asset", [[scVec([scSymbol("AssetInfo")]), scVec([scSymbol("Native")])]]);
  const source = new MadeSource((sequence) =>
    buildLedger({
      sequence,
      transactions: [
        { operations: [[created({ contract, key: scInstanceKey, val: instance })]] },
        { operations: [[created({ contract: id(7), key: scInstanceKey, val: instance })]] },
        { operations: [[created({ contract, ...balance(id(9), 12_345_678n) })]] },
      ],
    }),
  );
  await using server = await TestServer.start(source, settings);
  const session = await server.startSession(1, 1);
  const reader = await server.read({ session }).rest();
  const names = ["contract_id", "asset_type", "asset_code", "asset_issuer", "balance", "contract_instance_type"];
  return reader.batches.flatMap(({ table }) =>
    Array.from({ length: table.numRows }, (_, row) =>
      Object.fromEntries(names.map((name) => [name, table.getChild(name)!.get(row) as unknown])),
    ),
  );
}

const NO_ASSET = { asset_type: null, asset_code: null, asset_issuer: null };

test("the native asset's contract has the native type; a forged one has none", async () => {
  const [native, forged, xlm] = await rows({});
  expect(native).toEqual({
    ...NO_ASSET,
    contract_id: PUBNET_NATIVE_CONTRACT,
    asset_type: "AssetTypeAssetTypeNative",
    balance: null,
    contract_instance_type: "stellar_asset",
  });
  expect(forged).toMatchObject({ ...NO_ASSET, contract_instance_type: "stellar_asset" });
  expect(xlm).toMatchObject({ contract_id: PUBNET_NATIVE_CONTRACT, balance: 12_345_678n });
});

test("COMPAT=go leaves it unrecognised, as it was", async () => {
  const [native] = await rows({ COMPAT: "go" });
  expect(native).toMatchObject({ ...NO_ASSET, contract_id: PUBNET_NATIVE_CONTRACT });
});
