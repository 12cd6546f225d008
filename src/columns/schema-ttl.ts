/** The columns of the dataset `ttl`. Columns that contract_data has too mean the same, and have the same values. */
import { NONE, type RowSet } from "../ledger/row-set.ts";
import {
  CHANGE_EVICTED,
  CHANGE_REMOVED,
  CHANGE_UPDATED,
  DURABILITY_NAMES,
  REASON_NAMES,
  TTL_CHANGE_NAMES,
} from "../ledger/terms.ts";
import { STRKEY_CONTRACT } from "../xdr/strkey.ts";
import { type Column, optional, required } from "./column.ts";
import {
  ClosedAtColumn,
  LedgerSequenceColumn,
  OptionalUint32Column,
  TransactionOrderColumn,
  Uint32Column,
} from "./fixed-columns.ts";
import { BinaryColumn, HexColumn, KeyHashColumn, StrkeyColumn, WordColumn } from "./text-columns.ts";

const OPERATION = REASON_NAMES.indexOf("operation");
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
    new LedgerSequenceColumn(required("ledger_sequence", "Ledger in which the change happened")),
    new ClosedAtColumn(required("closed_at", "Close time of that ledger")),
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
    new HexColumn(
      optional("transaction_hash", "Hex hash of the transaction; null where the ledger itself made the change"),
      (rows) => rows.txHashAt,
    ),
    new OptionalUint32Column(
      optional(
        "transaction_index",
        "The transaction's place in its ledger, in apply order from 1; null where the ledger itself made the change (evicted entries, upgrades)",
      ),
      (rows, row) => rows.txIndex[row]!,
      (rows, row) => rows.txHashAt[row] === NONE,
    ),
    new TransactionOrderColumn(
      required(
        "transaction_order",
        "transaction_index, or 4294967295 where the ledger itself made the change (evicted entries, upgrades): part of the natural key, and so never null",
      ),
    ),
    new OptionalUint32Column(
      optional(
        "operation_index",
        "The operation's place in its transaction, from 0; null where no operation made the change",
      ),
      (rows, row) => rows.opIndex[row]!,
      (rows, row) => rows.reason[row] !== OPERATION,
    ),
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
