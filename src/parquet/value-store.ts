/** One column of one row group: which rows have a value, and which one: HOT PATH. */
import { type ColumnSlice, type ParquetColumn, WIDTHS } from "./column.ts";
import { DistinctValues } from "./distinct-values.ts";

const ROWS_INITIAL = 1 << 12;
const DECIMAL_BYTES = 16;

let reversed = Buffer.alloc(0);

/** Nulls take no place among the values; `levels` says which rows they are. */
export class ValueStore {
  rows = 0;
  /** Values: rows that are not null. */
  count = 0;
  /** By row: 1 where it has a value. Only of a nullable column. */
  levels = new Uint8Array(0);
  /** By value: its number in `distinct`. */
  numbers = new Int32Array(0);
  readonly distinct = new DistinctValues();

  constructor(readonly column: ParquetColumn) {}

  get nulls(): number {
    return this.rows - this.count;
  }

  /** Adds the rows [first, end) of a batch. */
  append(slice: ColumnSlice, first: number, end: number): void {
    const rows = end - first;
    const validity = slice.nulls > 0 ? slice.validity : undefined;
    const present = this.column.nullable ? this.appendLevels(validity, first, end) : rows;
    if (this.count + present > this.numbers.length) {
      const grown = new Int32Array(Math.max(this.count + present, this.numbers.length * 2, ROWS_INITIAL));
      grown.set(this.numbers.subarray(0, this.count));
      this.numbers = grown;
    }
    if (present > 0) this.appendValues(slice, validity, first, end);
    this.rows += rows;
  }

  clear(): void {
    this.rows = this.count = 0;
    this.distinct.clear();
  }

  private appendLevels(validity: Uint8Array | undefined, first: number, end: number): number {
    const { rows } = this;
    const needed = rows + end - first;
    if (needed > this.levels.length) {
      const grown = new Uint8Array(Math.max(needed, this.levels.length * 2, ROWS_INITIAL));
      grown.set(this.levels.subarray(0, rows));
      this.levels = grown;
    }
    const { levels } = this;
    if (validity === undefined) {
      levels.fill(1, rows, needed);
      return end - first;
    }
    let present = 0;
    for (let row = first, q = rows; row < end; row++, q++) {
      const level = (validity[row >> 3]! >> (row & 7)) & 1;
      levels[q] = level;
      present += level;
    }
    return present;
  }

  private appendValues(slice: ColumnSlice, validity: Uint8Array | undefined, first: number, end: number): void {
    const { distinct, numbers, column } = this;
    const { offsets } = slice;
    const width = WIDTHS[column.type];
    const values = column.type === "decimal" ? bigEndian(slice.values, first, end) : slice.values;
    const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
    let q = this.count;
    for (let row = first; row < end; row++) {
      if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
      if (width === 0) numbers[q++] = distinct.numberOf(values, view, offsets![row]!, offsets![row + 1]!);
      else if (width === 4) numbers[q++] = distinct.numberOfWord(view.getInt32(row * 4, true));
      else if (width > 4) numbers[q++] = distinct.numberOf(values, view, row * width, (row + 1) * width);
      else if (column.type === "bool") numbers[q++] = distinct.numberOfByte((values[row >> 3]! >> (row & 7)) & 1);
      else numbers[q++] = distinct.numberOfByte(values[row]!);
    }
    this.count = q;
  }
}

/** Arrow has decimals low byte first, Parquet high byte first. Overwritten by the next call. */
function bigEndian(values: Uint8Array, first: number, end: number): Uint8Array {
  if (reversed.length < end * DECIMAL_BYTES) reversed = Buffer.allocUnsafeSlow(end * DECIMAL_BYTES * 2);
  const from = new DataView(values.buffer, values.byteOffset, values.byteLength);
  const to = new DataView(reversed.buffer);
  for (let at = first * DECIMAL_BYTES; at < end * DECIMAL_BYTES; at += DECIMAL_BYTES) {
    for (let word = 0; word < DECIMAL_BYTES; word += 4) to.setInt32(at + word, from.getInt32(at + 12 - word, true));
  }
  return reversed;
}
