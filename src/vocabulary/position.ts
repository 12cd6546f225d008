/** A place in a stream of rows. */

/**
 * Where to go on: at the first row of that ledger whose place is `row` or later (RowSet.place: counted before filters and
 * settings, so that a position means the same under all of them). 0 = the ledger's beginning.
 */
export interface Position {
  ledger: number;
  row: number;
}
