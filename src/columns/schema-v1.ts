/** Schema version 1: 18 columns whose order, names, types and nullability never change. */
import { ASSET_TYPE_NAMES, DURABILITY_NAMES, INSTANCE_TYPE_NAMES, SCVAL_TYPE_NAMES } from "../ledger/terms.ts";
import { STRKEY_ACCOUNT, STRKEY_CONTRACT } from "../xdr/strkey.ts";
import { AssetCodeColumn } from "./asset-columns.ts";
import { type Column, optional, required } from "./column.ts";
import {
  BalanceInt64Column,
  ClosedAtColumn,
  DeletedColumn,
  LedgerSequenceColumn,
  LiveUntilColumn,
  Uint32Column,
} from "./fixed-columns.ts";
import { Base64Column, HexColumn, KeyHashColumn, StrkeyColumn, WordColumn } from "./text-columns.ts";

/** New columns for one encoder: some keep a view on the rows that they last wrote. */
export function columnsV1(): Column[] {
  return [
    new StrkeyColumn(
      required("contract_id", "Contract that owns the entry, C… strkey"),
      STRKEY_CONTRACT,
      (rows) => rows.contractAt,
    ),
    new WordColumn(
      required("contract_key_type", "ScVal type of the entry's key, as Go spells it"),
      SCVAL_TYPE_NAMES,
      (rows) => rows.keyType,
    ),
    new WordColumn(
      required("contract_durability", "ContractDataDurabilityTemporary or ContractDataDurabilityPersistent"),
      DURABILITY_NAMES,
      (rows) => rows.durability,
    ),
    new AssetCodeColumn(optional("asset_code", "Asset code; on the instance of a Stellar Asset Contract")),
    new StrkeyColumn(
      optional("asset_issuer", "Asset issuer, G… strkey; on the instance of a Stellar Asset Contract"),
      STRKEY_ACCOUNT,
      (rows) => rows.assetIssuerAt,
    ),
    new WordColumn(
      optional("asset_type", "Asset type, as Go spells it; on the instance of a Stellar Asset Contract"),
      ASSET_TYPE_NAMES,
      (rows) => rows.assetType,
    ),
    new StrkeyColumn(
      optional("balance_holder", "Contract that holds the balance, C… strkey; on balance entries"),
      STRKEY_CONTRACT,
      (rows) => rows.holderAt,
    ),
    new BalanceInt64Column(
      optional("balance", "Balance in the token's smallest unit; null where it does not fit 64 bits"),
    ),
    new Uint32Column(
      required("last_modified_ledger", "Ledger that last modified the entry; of the state before it when removed"),
      (rows) => rows.lastModified,
    ),
    new DeletedColumn(required("deleted", "Whether this change removed the entry")),
    new LedgerSequenceColumn(required("ledger_sequence", "Ledger in which the change happened")),
    new ClosedAtColumn(required("closed_at", "Close time of that ledger")),
    new KeyHashColumn(optional("ledger_key_hash", "Hex sha256 of the LedgerKey's XDR")),
    new Base64Column(
      optional("key_xdr", "Base64 XDR of the key's ScVal"),
      (rows) => rows.keyAt,
      (rows) => rows.keyBytes,
    ),
    new Base64Column(
      optional("val_xdr", "Base64 XDR of the value's ScVal; of the state before it when removed"),
      (rows) => rows.valAt,
      (rows) => rows.valBytes,
    ),
    new WordColumn(
      optional("contract_instance_type", "wasm, stellar_asset or external_ref; on contract instances"),
      INSTANCE_TYPE_NAMES,
      (rows) => rows.instanceType,
    ),
    new HexColumn(
      optional("contract_instance_wasm_hash", "Hex hash of the instance's wasm code"),
      (rows) => rows.wasmHashAt,
    ),
    new LiveUntilColumn(
      optional("expiration_ledger_seq", "Live-until ledger that the entry's TTL was set to in the same ledger"),
    ),
  ];
}
