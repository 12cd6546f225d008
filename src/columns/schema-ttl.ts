/** The columns of the dataset `ttl`. Columns that contract_data has too mean the same, and have the same values. */
import type { RowSet } from "../ledger/row-set.ts";
import { CHANGE_EVICTED, CHANGE_REMOVED, CHANGE_UPDATED, DURABILITY_NAMES, TTL_CHANGE_NAMES } from "../ledger/terms.ts";
import { STRKEY_CONTRACT } from "../xdr/strkey.ts";
import { type Column, optional, required } from "./column.ts";
import { OptionalUint32Column, Uint32Column } from "./fixed-columns.ts";
import {
  ledgerColumns,
  operationIndexColumn,
  transactionOrderColumn,
  transactionPlaceColumns,
} from "./place-columns.ts";
import { BinaryColumn, KeyHashColumn, StrkeyColumn, WordColumn } from "./text-columns.ts";

const DURABILITIES = [...DURABILITY_NAMES, ""]; // the last is none

const isGone = ({ change }: RowSet, row: number): boolean =>
  change[row] === CHANGE_REMOVED || change[row] === CHANGE_EVICTED;
const hasNoBefore = ({ change }: RowSet, row: number): boolean =>
  change[row] !== CHANGE_UPDATED && change[row] !== CHANGE_REMOVED;

/** New columns for one encoder: some keep a view on the rows that they last wrote. */
export function columnsTtl(): Column[] {
  return [...changeColumns(), ...placeColumns(), ...ownerColumns()];
}

function changeColumns(): Column[] {
  return [
    ...ledgerColumns(),
    new KeyHashColumn(
      required(
        "ledger_key_hash",
        "Hex sha256 of the XDR of the LedgerKey whose entry lives so long, as in contract_data",
      ),
    ),
    new OptionalUint32Column(
      optional(
        "live_until_ledger",
        "Last ledger that the entry lives in, as the change has set it; null where it went: removed, evicted",
      ),
      (rows, row) => rows.liveUntil[row]!,
      isGone,
    ),
    new OptionalUint32Column(
      optional("live_until_before", "The same before the change: of extended and removed; else null"),
      (rows, row) => rows.liveUntilBefore[row]!,
      hasNoBefore,
    ),
    new WordColumn(
      required(
        "change_type",
        "created, extended (the ledger's updated), removed (with its entry), restored (back with its entry) or evicted (with its entry's key)",
      ),
      TTL_CHANGE_NAMES,
      (rows) => rows.change,
    ),
  ];
}

function placeColumns(): Column[] {
  return [
    ...transactionPlaceColumns(),
    transactionOrderColumn(),
    operationIndexColumn(),
    new Uint32Column(
      required(
        "change_index",
        "Counts the transaction's TTL changes alone from 0, and those without a transaction per ledger: with ledger_sequence and transaction_order the row's natural key",
      ),
      (rows) => rows.changeIndex,
    ),
  ];
}

/** The entry, where the ledger has a change of it or its evicted key. */
function ownerColumns(): Column[] {
  return [
    new StrkeyColumn(
      optional("contract_id", "Contract that owns the entry, C… strkey; where the same ledger tells"),
      STRKEY_CONTRACT,
      (rows) => rows.contractAt,
    ),
    new BinaryColumn(
      optional("key_xdr", "XDR of the entry's key, a ScVal; where contract_id is"),
      (rows) => rows.keyAt,
      (rows) => rows.keyBytes,
    ),
    new WordColumn(
      optional(
        "contract_durability",
        "ContractDataDurabilityTemporary or ContractDataDurabilityPersistent; where contract_id is",
      ),
      DURABILITIES,
      (rows) => rows.durability,
    ),
  ];
}
