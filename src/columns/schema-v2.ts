/**
 * Schema version 2. The first 18 columns are version 1's, in their places, but for these: balance is a 128-bit decimal,
 * key and value are bytes, last_modified_ledger may be null, and columns of few words are dictionaries.
 */

import { AMOUNT_IN_VAL } from "../ledger/balance.ts";
import { NONE, type RowSet } from "../ledger/row-set.ts";
import {
  ASSET_NONE,
  ASSET_TYPE_NAMES,
  BALANCE_KIND_ASSET_CONTRACT,
  BALANCE_KIND_NAMES,
  BALANCE_KIND_NONE,
  BALANCE_KIND_TOKEN,
  CHANGE_EVICTED,
  CHANGE_TYPE_NAMES,
  DURABILITY_NAMES,
  INSTANCE_NONE,
  INSTANCE_STELLAR_ASSET,
  INSTANCE_TYPE_NAMES,
  SCVAL_TYPE_NAMES,
} from "../ledger/terms.ts";
import { skipContractExecutable } from "../xdr/generated/skip.ts";
import { STRKEY_CONTRACT } from "../xdr/strkey.ts";
import {
  AnyAssetCodeColumn,
  AnyAssetIssuerColumn,
  BalanceTextColumn,
  balanceAsset,
  HolderColumn,
} from "./asset-columns.ts";
import { type Column, optional, required } from "./column.ts";
import { DictionaryColumn } from "./dictionary-column.ts";
import {
  BalanceDecimalColumn,
  DeletedColumn,
  LiveUntilColumn,
  OptionalBoolColumn,
  OptionalUint32Column,
  Uint32Column,
} from "./fixed-columns.ts";
import { XdrJsonColumn } from "./json-column.ts";
import {
  ledgerColumns,
  operationIndexColumn,
  transactionOrderColumn,
  transactionPlaceColumns,
} from "./place-columns.ts";
import { BinaryColumn, HexColumn, KeyHashColumn, StrkeyColumn } from "./text-columns.ts";

/** Dictionary ids: a column's for good, in every stream. */
const DICTIONARY = { keyType: 0, durability: 1, assetType: 2, instanceType: 3, changeType: 4, balanceKind: 5 } as const;

function assetType(rows: RowSet, row: number): number {
  const own = rows.assetType[row]!;
  if (own !== ASSET_NONE) return own;
  const asset = balanceAsset(rows, row);
  return asset === NONE ? ASSET_NONE : rows.assets.type(asset);
}

/** Proven by the contract's id or its instance; not known where neither is among what the decoder has seen. */
function isAssetContract(rows: RowSet, row: number): boolean | null {
  if (rows.contractAsset[row] !== NONE || rows.assetType[row] !== ASSET_NONE) return true;
  const instance = rows.instanceType[row]!;
  return instance === INSTANCE_NONE ? null : instance === INSTANCE_STELLAR_ASSET;
}

/** The two shapes have their amount at different places of the value. */
function balanceKind(rows: RowSet, row: number): number {
  const at = rows.balanceAt[row]!;
  if (at === NONE) return BALANCE_KIND_NONE;
  return at === rows.valAt[row]! + AMOUNT_IN_VAL ? BALANCE_KIND_ASSET_CONTRACT : BALANCE_KIND_TOKEN;
}

const isNoInstance = (rows: RowSet, row: number): boolean => rows.instanceType[row] === INSTANCE_NONE;

/** Where the optional map of an instance's storage lies. */
function storageAt(rows: RowSet, row: number): number {
  return skipContractExecutable(rows.ledgers[rows.ledger[row]!]!.view, rows.valAt[row]! + 4);
}

function storageEntries(rows: RowSet, row: number): number {
  const { view } = rows.ledgers[rows.ledger[row]!]!;
  const at = storageAt(rows, row);
  return view.getUint32(at) === 0 ? 0 : view.getUint32(at + 4);
}

function storageBytes(rows: RowSet, row: number): number {
  const { view } = rows.ledgers[rows.ledger[row]!]!;
  const at = storageAt(rows, row);
  return view.getUint32(at) === 0 ? 0 : rows.valAt[row]! + rows.valBytes[row]! - (at + 8);
}

/** New columns for one encoder: some keep what they formatted, or a view on the rows that they last wrote. */
export function columnsV2(): Column[] {
  return [...entryColumns(), ...changeColumns(), ...contentColumns(), ...transactionColumns(), ...readableColumns()];
}

/** What the entry is: its contract, key type, durability and asset. */
function entryColumns(): Column[] {
  return [
    new StrkeyColumn(
      required("contract_id", "Contract that owns the entry, C… strkey"),
      STRKEY_CONTRACT,
      (rows) => rows.contractAt,
    ),
    new DictionaryColumn(
      required("contract_key_type", "ScVal type of the entry's key, as Go spells it"),
      DICTIONARY.keyType,
      SCVAL_TYPE_NAMES,
      (rows, row) => rows.keyType[row]!,
    ),
    new DictionaryColumn(
      required("contract_durability", "ContractDataDurabilityTemporary or ContractDataDurabilityPersistent"),
      DICTIONARY.durability,
      DURABILITY_NAMES,
      (rows, row) => rows.durability[row]!,
    ),
    new AnyAssetCodeColumn(
      optional(
        "asset_code",
        "Asset code; on the instance of a Stellar Asset Contract, and on balances where their contract's asset is known",
      ),
    ),
    new AnyAssetIssuerColumn(optional("asset_issuer", "Asset issuer, G… strkey; where asset_code is")),
    new DictionaryColumn(
      optional(
        "asset_type",
        "Asset type, as Go spells it; on the instance of a Stellar Asset Contract, and on balances where their contract's asset is known",
      ),
      DICTIONARY.assetType,
      ASSET_TYPE_NAMES,
      assetType,
      [],
      true,
    ),
  ];
}

/** Balance and change: holder, amount, ledger, key hash. */
function changeColumns(): Column[] {
  return [
    new HolderColumn(
      optional(
        "balance_holder",
        "Holder of the balance, as a strkey: account G…, contract C…, muxed account M…, claimable balance B…, liquidity pool L…; on balance entries",
      ),
    ),
    new BalanceDecimalColumn(
      optional(
        "balance",
        "Balance in the token's smallest unit; null where it needs 39 digits (balance_text has it), and on evicted entries",
      ),
    ),
    new OptionalUint32Column(
      optional(
        "last_modified_ledger",
        "Ledger that last modified the entry; of the state before it when removed; null on evicted entries",
      ),
      (rows, row) => rows.lastModified[row]!,
      (rows, row) => rows.change[row] === CHANGE_EVICTED,
    ),
    new DeletedColumn(
      required("deleted", "Whether this change took the entry out of the live state: removed, evicted"),
    ),
    ...ledgerColumns(),
    new KeyHashColumn(optional("ledger_key_hash", "Hex sha256 of the LedgerKey's XDR")),
  ];
}

/** Key, value and instance as they stand in the ledger. */
function contentColumns(): Column[] {
  return [
    new BinaryColumn(
      optional("key_xdr", "XDR of the key's ScVal"),
      (rows) => rows.keyAt,
      (rows) => rows.keyBytes,
    ),
    new BinaryColumn(
      optional("val_xdr", "XDR of the value's ScVal; of the state before it when removed; null on evicted entries"),
      (rows) => rows.valAt,
      (rows) => rows.valBytes,
    ),
    new DictionaryColumn(
      optional("contract_instance_type", "wasm, stellar_asset or external_ref; on contract instances"),
      DICTIONARY.instanceType,
      INSTANCE_TYPE_NAMES,
      (rows, row) => rows.instanceType[row]!,
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

/** Exact balance, kind of change, and the place of the change in its ledger. */
function transactionColumns(): Column[] {
  return [
    new BalanceTextColumn(
      optional("balance_text", "Balance as decimal text, always exact; on balance entries but evicted ones"),
    ),
    new DictionaryColumn(
      required(
        "change_type",
        "created, updated, removed, restored (back from the archive) or evicted (into it, or gone for good when temporary)",
      ),
      DICTIONARY.changeType,
      CHANGE_TYPE_NAMES,
      (rows, row) => rows.change[row]!,
      ["state"],
    ),
    ...transactionPlaceColumns(),
    operationIndexColumn(),
    new Uint32Column(
      required(
        "change_index",
        "Counts the transaction's contract-data changes from 0, before filters, and those without a transaction per ledger: with ledger_sequence and transaction_order the row's natural key",
      ),
      (rows) => rows.changeIndex,
    ),
  ];
}

/** What version 2 reads out of keys, values and instances, and the columns that came last. */
function readableColumns(): Column[] {
  return [
    new XdrJsonColumn(optional("key_json", "The key's ScVal as XDR-JSON (SEP-51)"), (rows) => rows.keyAt),
    new XdrJsonColumn(
      optional("val_json", "The value's ScVal as XDR-JSON (SEP-51); null on evicted entries"),
      (rows) => rows.valAt,
    ),
    new OptionalUint32Column(
      optional("contract_instance_storage_entries", "Entries in the instance's storage; on contract instances"),
      storageEntries,
      isNoInstance,
    ),
    new OptionalUint32Column(
      optional("contract_instance_storage_bytes", "XDR bytes of those entries; on contract instances"),
      storageBytes,
      isNoInstance,
    ),
    new OptionalBoolColumn(
      optional(
        "is_sac",
        "Whether the contract is a Stellar Asset Contract: true where its id proves it, or its instance says so; false where its instance says otherwise; null where neither is known",
      ),
      isAssetContract,
      true,
    ),
    transactionOrderColumn(),
    new DictionaryColumn(
      optional(
        "balance_kind",
        "Whose shape a balance has: asset_contract (amount, authorized, clawback) or token (an amount alone); null on evicted entries, whose value is not there",
      ),
      DICTIONARY.balanceKind,
      BALANCE_KIND_NAMES,
      balanceKind,
    ),
  ];
}
