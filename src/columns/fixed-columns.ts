/** The kinds of columns whose values have one width. HOT PATH. */
import { NONE, type RowSet } from "../ledger/row-set.ts";
import { CHANGE_EVICTED, CHANGE_REMOVED } from "../ledger/terms.ts";
import { BitWriter, type Cell, Column, type ColumnSpec, type Measure, type Placement, zero } from "./column.ts";
import type { Words } from "./text-columns.ts";

/** One of the rows' number columns; with `zeroIsNull`, 0 stands for none. */
export class Uint32Column extends Column {
  readonly type = "uint32";
  readonly width = 32;

  constructor(
    spec: ColumnSpec,
    private readonly values: Words,
    private readonly zeroIsNull = false,
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

/** The live-until ledger that the entry's TTL was set to in the same ledger: by any of its transactions, so it is late. */
export class LiveUntilColumn extends Uint32Column {
  override readonly needsKeyHash = true;
  override readonly isLate = true;

  constructor(spec: ColumnSpec) {
    super(spec, (rows) => rows.liveUntil, true);
  }
}

type IsNull = (rows: RowSet, row: number) => boolean;
/** Picks a value of one row. */
export type Value = (rows: RowSet, row: number) => number;

/** A number that some rows do not have. */
export class OptionalUint32Column extends Column {
  readonly type = "uint32";
  readonly width = 32;

  constructor(
    spec: ColumnSpec,
    private readonly value: Value,
    private readonly isNull: IsNull,
  ) {
    super(spec);
  }

  measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    for (let row = first; row < end; row++) if (this.isNull(rows, row)) sum.nulls++;
  }

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const validity = place.validityAt < 0 ? undefined : new BitWriter(out, place.validityAt);
    let q = place.dataAt;
    for (let row = first; row < end; row++, q += 4) {
      const isNull = this.isNull(rows, row);
      validity?.push(!isNull);
      out.setUint32(q, isNull ? 0 : this.value(rows, row), true);
    }
    validity?.finish();
    return q;
  }

  cell(rows: RowSet, row: number): Cell {
    return this.isNull(rows, row) ? null : this.value(rows, row);
  }
}

/** `transaction_order` where no transaction made the change: after every transaction's, as the rows' order has it. */
const NO_TRANSACTION_ORDER = 0xffff_ffff;

/** The place of the row's transaction in its ledger, from 1; NO_TRANSACTION_ORDER where there is none. Never null. */
export class TransactionOrderColumn extends Column {
  readonly type = "uint32";
  readonly width = 32;

  measure(): void {}

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const { txHashAt, txIndex } = rows;
    let q = place.dataAt;
    for (let row = first; row < end; row++, q += 4) {
      out.setUint32(q, txHashAt[row] === NONE ? NO_TRANSACTION_ORDER : txIndex[row]!, true);
    }
    return q;
  }

  cell(rows: RowSet, row: number): Cell {
    return rows.txHashAt[row] === NONE ? NO_TRANSACTION_ORDER : rows.txIndex[row]!;
  }
}

/** A truth that is not known of some rows. */
export class OptionalBoolColumn extends Column {
  readonly type = "bool";
  readonly width = 1;

  constructor(
    spec: ColumnSpec,
    private readonly value: (rows: RowSet, row: number) => boolean | null,
    override readonly needsAssets = false,
  ) {
    super(spec);
  }

  measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    for (let row = first; row < end; row++) if (this.value(rows, row) === null) sum.nulls++;
  }

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const validity = place.validityAt < 0 ? undefined : new BitWriter(out, place.validityAt);
    const bits = new BitWriter(out, place.dataAt);
    for (let row = first; row < end; row++) {
      const value = this.value(rows, row);
      validity?.push(value !== null);
      bits.push(value === true);
    }
    validity?.finish();
    bits.finish();
    return place.dataAt + Math.ceil((end - first) / 8);
  }

  cell(rows: RowSet, row: number): Cell {
    return this.value(rows, row);
  }
}

/** The sequence number of the row's ledger. */
export class LedgerSequenceColumn extends Column {
  readonly type = "uint32";
  readonly width = 32;

  measure(): void {}

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const { ledger: ledgerOf, ledgers } = rows;
    let ledger = -1;
    let sequence = 0;
    let q = place.dataAt;
    for (let row = first; row < end; row++, q += 4) {
      if (ledgerOf[row] !== ledger) {
        ledger = ledgerOf[row]!;
        sequence = ledgers[ledger]!.sequence;
      }
      out.setUint32(q, sequence, true);
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
  readonly type = "timestamp[us, UTC]";
  readonly width = 64;

  measure(): void {}

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const { ledger: ledgerOf, ledgers } = rows;
    let ledger = -1;
    let low = 0;
    let high = 0;
    let q = place.dataAt;
    for (let row = first; row < end; row++, q += 8) {
      if (ledgerOf[row] !== ledger) {
        ledger = ledgerOf[row]!;
        ({ closedAtMicrosLow: low, closedAtMicrosHigh: high } = ledgers[ledger]!);
      }
      out.setUint32(q, low, true);
      out.setUint32(q + 4, high, true);
    }
    return q;
  }

  cell(rows: RowSet, row: number): Cell {
    const seconds = rows.ledgers[rows.ledger[row]!]!.closedAtSeconds;
    if (seconds > DATE_SECONDS_MAX) return String(seconds);
    return timeText(seconds * 1000);
  }
}

/** A time in a row as text: ISO 8601, and the seconds whole where they are. */
export function timeText(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(".000Z", "Z");
}

function isDeleted(rows: RowSet, row: number): boolean {
  const change = rows.change[row];
  return change === CHANGE_REMOVED || change === CHANGE_EVICTED;
}

/** Whether the row's entry is no longer in the ledger's live state: removed or evicted. */
export class DeletedColumn extends Column {
  readonly type = "bool";
  readonly width = 1;

  measure(): void {}

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const bits = new BitWriter(out, place.dataAt);
    for (let row = first; row < end; row++) bits.push(isDeleted(rows, row));
    bits.finish();
    return place.dataAt + Math.ceil((end - first) / 8);
  }

  cell(rows: RowSet, row: number): Cell {
    return isDeleted(rows, row);
  }
}

/** Balances as int64; null where there is none or it needs more than 63 bits. */
export class BalanceInt64Column extends Column {
  readonly type = "int64";
  readonly width = 64;

  measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    const { balanceAt } = rows;
    for (let row = first; row < end; row++) {
      if (balanceAt[row] === NONE || !fitsInt64(rows, row, balanceAt[row]!)) sum.nulls++;
    }
  }

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const bytes = 8 * (end - first);
    zero(out, place.dataAt, bytes);
    if (place.nulls === end - first) {
      zero(out, place.validityAt, Math.ceil(place.nulls / 8));
      return place.dataAt + bytes;
    }
    const { balanceAt } = rows;
    const validity = place.validityAt < 0 ? undefined : new BitWriter(out, place.validityAt);
    let q = place.dataAt;
    for (let row = first; row < end; row++, q += 8) {
      const at = balanceAt[row]!;
      const fits = at !== NONE && fitsInt64(rows, row, at);
      validity?.push(fits);
      if (!fits) continue;
      const d = rows.ledgers[rows.ledger[row]!]!.view;
      out.setInt32(q, d.getInt32(at + 12), true);
      out.setInt32(q + 4, d.getInt32(at + 8), true);
    }
    validity?.finish();
    return q;
  }

  cell(rows: RowSet, row: number): Cell {
    const at = rows.balanceAt[row]!;
    if (at === NONE || !fitsInt64(rows, row, at)) return null;
    return rows.ledgers[rows.ledger[row]!]!.view.getBigInt64(at + 8);
  }
}

/** Whether the i128 at `at` fits into int64, as a balance of at least 0. */
function fitsInt64(rows: RowSet, row: number, at: number): boolean {
  const d = rows.ledgers[rows.ledger[row]!]!.view;
  return d.getInt32(at) === 0 && d.getInt32(at + 4) === 0 && d.getInt32(at + 8) >= 0;
}

// 10^38, the first number that needs 39 digits, as words; the lowest is zero.
const LIMIT = [0x4b3b4ca8, 0x5a86c47a, 0x098a2240] as const;

/** Balances as 128-bit decimals; null where there is none or it needs 39 digits. Cells are decimal text. */
export class BalanceDecimalColumn extends Column {
  readonly type = "decimal128(38, 0)";
  readonly width = 128;

  measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    const { balanceAt } = rows;
    for (let row = first; row < end; row++) {
      if (balanceAt[row] === NONE || !fitsDecimal(rows, row, balanceAt[row]!)) sum.nulls++;
    }
  }

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const bytes = 16 * (end - first);
    zero(out, place.dataAt, bytes);
    if (place.nulls === end - first) {
      zero(out, place.validityAt, Math.ceil(place.nulls / 8));
      return place.dataAt + bytes;
    }
    const { balanceAt } = rows;
    const validity = place.validityAt < 0 ? undefined : new BitWriter(out, place.validityAt);
    let q = place.dataAt;
    for (let row = first; row < end; row++, q += 16) {
      const at = balanceAt[row]!;
      const fits = at !== NONE && fitsDecimal(rows, row, at);
      validity?.push(fits);
      if (!fits) continue;
      const d = rows.ledgers[rows.ledger[row]!]!.view;
      for (let i = 0; i < 16; i += 4) out.setInt32(q + i, d.getInt32(at + 12 - i), true);
    }
    validity?.finish();
    return q;
  }

  cell(rows: RowSet, row: number): Cell {
    const at = rows.balanceAt[row]!;
    if (at === NONE || !fitsDecimal(rows, row, at)) return null;
    const d = rows.ledgers[rows.ledger[row]!]!.view;
    return String((d.getBigUint64(at) << 64n) | d.getBigUint64(at + 8));
  }
}

/** Whether the i128 at `at` has at most 38 digits. */
function fitsDecimal(rows: RowSet, row: number, at: number): boolean {
  const d = rows.ledgers[rows.ledger[row]!]!.view;
  for (let i = 0; i < LIMIT.length; i++) {
    const word = d.getUint32(at + 4 * i);
    if (word !== LIMIT[i]) return word < LIMIT[i]!;
  }
  return false;
}
