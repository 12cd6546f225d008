/** The order of a ledger's rows, where the wire has another. */
import {
  LIST_EVICTION,
  LIST_FEE,
  LIST_FEE_REFUND,
  LIST_OPERATION,
  LIST_TRANSACTION,
  LIST_UPGRADE,
} from "../xdr/generated/skip.ts";
import type { RowSet } from "./row-set.ts";

/** Where the rows of a change list stand among the ledger's, by LIST_…. */
const RANKS: readonly number[] = (() => {
  const ranks: number[] = [];
  ranks[LIST_FEE] = 0;
  ranks[LIST_TRANSACTION] = 1;
  ranks[LIST_OPERATION] = 1;
  ranks[LIST_FEE_REFUND] = 2;
  ranks[LIST_UPGRADE] = 3;
  ranks[LIST_EVICTION] = 4;
  return ranks;
})();

/**
 * Sorts the rows from `first` on, which are one ledger's: fee changes of all transactions come first, then the
 * transactions' own, then refunds, upgrades, evictions; within each, the order of the wire stays.
 */
export function restoreRowOrder(rows: RowSet, first: number): void {
  const rank = (row: number): number => RANKS[rows.reason[row]!]!;
  const order = Array.from({ length: rows.length - first }, (_, i) => first + i);
  rows.reorder(
    first,
    order.sort((a, b) => rank(a) - rank(b) || a - b),
  );
}
