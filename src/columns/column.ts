/**
 * What a column is to the batch encoder: it says how large its buffers will be without formatting anything, then writes
 * each value once, straight into the record batch's body. HOT PATH.
 */
import type { RowSet } from "../ledger/row-set.ts";
import type { ValueType } from "./value-type.ts";

/** Sums over a range of rows. */
export interface Measure {
  /** Bytes of the values alone, for columns of varying width; 0 for the others. */
  dataBytes: number;
  nulls: number;
}

/** Where a column's buffers begin in the body. */
export interface Placement {
  nulls: number;
  /** -1 where there is no null and so no bitmap. */
  validityAt: number;
  /** Columns of varying width only. */
  offsetsAt: number;
  dataAt: number;
}

/** A value as a person or a JSON writer takes it. */
export type Cell = string | number | bigint | boolean | null;

/** A column as its schema describes it. */
export interface ColumnSpec {
  name: string;
  nullable: boolean;
  /** Becomes the field's metadata `description`. */
  description: string;
}

/** The spec of a column that every row has a value in. */
export function required(name: string, description: string): ColumnSpec {
  return { name, nullable: false, description };
}

/** The spec of a column that may be null. */
export function optional(name: string, description: string): ColumnSpec {
  return { name, nullable: true, description };
}

/** One column of a schema: measures its rows, then writes them into the buffers that were laid out. */
export abstract class Column {
  /** Type of the values, also where there is a dictionary. */
  abstract readonly type: ValueType;
  /** Bits of one value; 0 for a column of varying width. */
  abstract readonly width: 0 | 1 | 8 | 32 | 64 | 128;
  /** Whether values come from the rows' key hashes (the decoder can leave them out). */
  readonly needsKeyHash: boolean = false;
  /** Whether values come from the assets of the rows' contracts (the decoder can leave them out). */
  readonly needsAssets: boolean = false;
  /** Whether values are known only when all of their ledger has been read. Such a column has one width. */
  readonly isLate: boolean = false;
  /** Whether a text cell is JSON already. */
  readonly isJson: boolean = false;

  constructor(readonly spec: ColumnSpec) {}

  /** Adds the rows [first, end) to `sum`. */
  abstract measure(rows: RowSet, first: number, end: number, sum: Measure): void;

  /** Writes the values (and validity) of the rows [first, end); returns the position after the last value. */
  abstract write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number;

  abstract cell(rows: RowSet, row: number): Cell;
}

/** Writes bits [0, count) as an Arrow bitmap: least significant bit first, the last byte filled with zeros. */
export class BitWriter {
  private held = 0;
  private bit = 0;

  constructor(
    private readonly out: DataView,
    private at: number,
  ) {}

  push(isSet: boolean): void {
    if (isSet) this.held |= 1 << this.bit;
    if (++this.bit < 8) return;
    this.out.setUint8(this.at++, this.held);
    this.held = 0;
    this.bit = 0;
  }

  finish(): void {
    if (this.bit > 0) this.out.setUint8(this.at, this.held);
  }
}

/** No value at all, which a TextColumn has a shortcut for. */
export function isAllNull(first: number, end: number, { nulls }: Placement): boolean {
  return nulls > 0 && nulls === end - first;
}

/** Sets `bytes` bytes to zero. */
export function zero(out: DataView, at: number, bytes: number): void {
  if (bytes > 0) new Uint8Array(out.buffer, out.byteOffset + at, bytes).fill(0);
}

const SCRATCH_BYTES = 256; // grows to the longest cell asked for
let scratch = new DataView(new ArrayBuffer(SCRATCH_BYTES));
const ascii = new TextDecoder();

/** A column of text: offsets and bytes. */
export abstract class TextColumn extends Column {
  readonly type: ValueType = "utf8";
  readonly width = 0;

  /** Bytes of the row's value; 0 also for null. */
  abstract length(rows: RowSet, row: number): number;
  abstract isNull(rows: RowSet, row: number): boolean;
  /** Writes the row's value (not null) to `out` at `q`; returns the position after it. `d` is the row's ledger. */
  abstract writeValue(rows: RowSet, row: number, d: DataView, out: DataView, q: number): number;

  measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    for (let row = first; row < end; row++) {
      if (this.isNull(rows, row)) sum.nulls++;
      else sum.dataBytes += this.length(rows, row);
    }
  }

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    let { offsetsAt } = place;
    const { dataAt, validityAt } = place;
    if (isAllNull(first, end, place)) {
      // Most batches have no asset, instance or balance at all.
      zero(out, validityAt, Math.ceil(place.nulls / 8));
      zero(out, offsetsAt, 4 * (place.nulls + 1));
      return dataAt;
    }
    const { ledger: ledgerOf, ledgers } = rows;
    const validity = validityAt < 0 ? undefined : new BitWriter(out, validityAt);
    let ledger = -1;
    let d = out;
    let q = dataAt;
    out.setInt32(offsetsAt, 0, true);
    for (let row = first; row < end; row++) {
      const present = validity === undefined || !this.isNull(rows, row);
      validity?.push(present);
      if (present) {
        if (ledgerOf[row] !== ledger) {
          ledger = ledgerOf[row]!;
          d = ledgers[ledger]!.view;
        }
        q = this.writeValue(rows, row, d, out, q);
      }
      offsetsAt += 4;
      out.setInt32(offsetsAt, q - dataAt, true);
    }
    validity?.finish();
    return q;
  }

  cell(rows: RowSet, row: number): string | null {
    if (this.isNull(rows, row)) return null;
    const bytes = this.length(rows, row);
    if (bytes > scratch.byteLength) scratch = new DataView(new ArrayBuffer(bytes * 2));
    const end = this.writeValue(rows, row, rows.ledgers[rows.ledger[row]!]!.view, scratch, 0);
    return ascii.decode(new Uint8Array(scratch.buffer, 0, end));
  }
}
