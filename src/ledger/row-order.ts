/** The order of a ledger's rows, where the wire has another, and the places that it gives them. */
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
const RANKS_COUNT = Math.max(...RANKS) + 1;

/**
 * Counts the places of a ledger's rows (`RowSet.place`). While the ledger is walked each rank counts for itself, since
 * fee changes of a later transaction come first in row order; at the ledger's end the ranks are put behind each other.
 */
export class RowPlaces {
  private readonly counts: number[] = new Array(RANKS_COUNT).fill(0);

  /** A ledger begins. */
  begin(): void {
    this.counts.fill(0);
  }

  /** Takes `count` places for changes of that list, LIST_…; answers with the first, counted in the list's rank. */
  take(list: number, count: number): number {
    const rank = RANKS[list]!;
    const first = this.counts[rank]!;
    this.counts[rank] = first + count;
    return first;
  }

  /** All places of the ledger. */
  get total(): number {
    return this.counts.reduce((sum, count) => sum + count);
  }

  /** Makes places in ranks into places in the ledger: for the rows from `first` on, which are in row order. */
  settle(rows: RowSet, first: number): void {
    let rank = 0;
    let before = 0;
    for (let row = first; row < rows.length; row++) {
      const of = RANKS[rows.reason[row]!]!;
      while (rank < of) before += this.counts[rank++]!;
      rows.place[row]! += before;
    }
  }
}

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
