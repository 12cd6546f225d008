/** Columns that tell the place of a change, which contract_data's version 2 and ttl have alike. */
import { NONE } from "../ledger/row-set.ts";
import { REASON_NAMES } from "../ledger/terms.ts";
import { type Column, optional, required } from "./column.ts";
import { ClosedAtColumn, LedgerSequenceColumn, OptionalUint32Column, TransactionOrderColumn } from "./fixed-columns.ts";
import { HexColumn } from "./text-columns.ts";

const OPERATION = REASON_NAMES.indexOf("operation");

/** The ledger, and when it closed. */
export function ledgerColumns(): Column[] {
  return [
    new LedgerSequenceColumn(required("ledger_sequence", "Ledger in which the change happened")),
    new ClosedAtColumn(required("closed_at", "Close time of that ledger")),
  ];
}

/** The transaction, by its hash and its place in the ledger. */
export function transactionPlaceColumns(): Column[] {
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
  ];
}

/** The transaction's place as a number that is never null. */
export function transactionOrderColumn(): Column {
  return new TransactionOrderColumn(
    required(
      "transaction_order",
      "transaction_index, or 4294967295 where the ledger itself made the change (evicted entries, upgrades): part of the natural key, and so never null",
    ),
  );
}

/** The operation in its transaction. */
export function operationIndexColumn(): Column {
  return new OptionalUint32Column(
    optional(
      "operation_index",
      "The operation's place in its transaction, from 0; null where no operation made the change",
    ),
    (rows, row) => rows.opIndex[row]!,
    (rows, row) => rows.reason[row] !== OPERATION,
  );
}
