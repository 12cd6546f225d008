/** The kinds of columns whose values have one width. HOT PATH. */
import { Bool, Int64, TimestampMicrosecond, Uint32 } from "apache-arrow";
import { NONE, type RowSet } from "../ledger/row-set.ts";
import { CHANGE_REMOVED } from "../ledger/terms.ts";
import { BitWriter, type Cell, Column, type ColumnSpec, type Measure, type Placement } from "./column.ts";
import type { Words } from "./text-columns.ts";

/** One of the rows' number columns; with `zeroIsNull`, 0 stands for none. */
export class Uint32Column extends Column {
  readonly type = new Uint32();
  readonly width = 32;

  constructor(
    spec: ColumnSpec,
    private readonly values: Words,
    private readonly zeroIsNull = false,
    override readonly needsKeyHash = false,
  ) {
    super(spec);
  }

  measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    if (!this.zeroIsNull) return;
    const values = this.values(rows);
    for (let row = first; row < end; row++) if (values[row] === 0) sum.nulls++;
  }

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const values = this.values(rows);
    let q = place.dataAt;
    for (let row = first; row < end; row++, q += 4) out.setUint32(q, values[row]!, true);
    if (place.validityAt >= 0) {
      const validity = new BitWriter(out, place.validityAt);
      for (let row = first; row < end; row++) validity.push(values[row] !== 0);
      validity.finish();
    }
    return q;
  }

  cell(rows: RowSet, row: number): Cell {
    const value = this.values(rows)[row]!;
    return this.zeroIsNull && value === 0 ? null : value;
  }
}

/** The sequence number of the row's ledger. */
export class LedgerSequenceColumn extends Column {
  readonly type = new Uint32();
  readonly width = 32;

  measure(): void {}

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    let q = place.dataAt;
    for (let row = first; row < end; row++, q += 4) {
      out.setUint32(q, rows.ledgers[rows.ledger[row]!]!.sequence, true);
    }
    return q;
  }

  cell(rows: RowSet, row: number): Cell {
    return rows.ledgers[rows.ledger[row]!]!.sequence;
  }
}

const DATE_SECONDS_MAX = 8_640_000_000_000; // a Date holds no more

/** The close time of the row's ledger, in microseconds. Cells are ISO 8601 text. */
export class ClosedAtColumn extends Column {
  readonly type = new TimestampMicrosecond("UTC");
  readonly width = 64;

  measure(): void {}

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    let q = place.dataAt;
    for (let row = first; row < end; row++, q += 8) {
      const ledger = rows.ledgers[rows.ledger[row]!]!;
      out.setUint32(q, ledger.closedAtMicrosLow, true);
      out.setUint32(q + 4, ledger.closedAtMicrosHigh, true);
    }
    return q;
  }

  cell(rows: RowSet, row: number): Cell {
    const seconds = rows.ledgers[rows.ledger[row]!]!.closedAtSeconds;
    if (seconds > DATE_SECONDS_MAX) return String(seconds);
    return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
  }
}

/** Whether the row's entry was removed. */
export class DeletedColumn extends Column {
  readonly type = new Bool();
  readonly width = 1;

  measure(): void {}

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const bits = new BitWriter(out, place.dataAt);
    for (let row = first; row < end; row++) bits.push(rows.change[row] === CHANGE_REMOVED);
    bits.finish();
    return place.dataAt + Math.ceil((end - first) / 8);
  }

  cell(rows: RowSet, row: number): Cell {
    return rows.change[row] === CHANGE_REMOVED;
  }
}

/** Balances as int64; null where there is none or it needs more than 63 bits. */
export class BalanceInt64Column extends Column {
  readonly type = new Int64();
  readonly width = 64;

  measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    for (let row = first; row < end; row++) if (!fitsInt64(rows, row)) sum.nulls++;
  }

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const validity = place.validityAt < 0 ? undefined : new BitWriter(out, place.validityAt);
    let q = place.dataAt;
    for (let row = first; row < end; row++, q += 8) {
      const fits = fitsInt64(rows, row);
      validity?.push(fits);
      const d = rows.ledgers[rows.ledger[row]!]!.view;
      const at = rows.balanceAt[row]!;
      out.setUint32(q, fits ? d.getUint32(at + 12) : 0, true);
      out.setUint32(q + 4, fits ? d.getUint32(at + 8) : 0, true);
    }
    validity?.finish();
    return q;
  }

  cell(rows: RowSet, row: number): Cell {
    if (!fitsInt64(rows, row)) return null;
    return rows.ledgers[rows.ledger[row]!]!.view.getBigInt64(rows.balanceAt[row]! + 8);
  }
}

function fitsInt64(rows: RowSet, row: number): boolean {
  const at = rows.balanceAt[row]!;
  if (at === NONE) return false;
  const d = rows.ledgers[rows.ledger[row]!]!.view;
  return d.getUint32(at) === 0 && d.getUint32(at + 4) === 0 && d.getInt32(at + 8) >= 0;
}
