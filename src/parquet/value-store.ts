/** The values of one column in one row group, one behind the other, in the order of the rows: HOT PATH. */
import { type ColumnSlice, type ParquetColumn, WIDTHS } from "./column.ts";

const ROWS_INITIAL = 1 << 12;
const BYTES_INITIAL = 1 << 14;

/** Nulls take no place among the values; `levels` says which rows they are. */
export class ValueStore {
  /** Bytes of a value; 0: they vary. */
  readonly width: number;
  rows = 0;
  /** Values: rows that are not null. */
  count = 0;
  /** By row: 1 where it has a value. Only of a nullable column. */
  levels = new Uint8Array(0);
  /** By value: where its bytes end. Only where they vary. */
  ends = new Int32Array(0);
  bytes = Buffer.allocUnsafeSlow(BYTES_INITIAL);
  view = new DataView(this.bytes.buffer);
  length = 0;

  constructor(readonly column: ParquetColumn) {
    this.width = WIDTHS[column.type];
  }

  get nulls(): number {
    return this.rows - this.count;
  }

  /** Where value `index` begins. */
  startOf(index: number): number {
    if (this.width > 0) return index * this.width;
    return index === 0 ? 0 : this.ends[index - 1]!;
  }

  /** Where value `index` ends. */
  endOf(index: number): number {
    return this.width > 0 ? (index + 1) * this.width : this.ends[index]!;
  }

  /** Adds the rows [first, end) of a batch. */
  append(slice: ColumnSlice, first: number, end: number): void {
    const rows = end - first;
    const { column, width } = this;
    const validity = slice.nulls > 0 ? slice.validity : undefined;
    const present = column.nullable ? this.appendLevels(validity, first, end) : rows;
    if (present > 0) {
      if (width === 0) this.appendVarying(slice, validity, first, end, present);
      else if (column.type === "bool") this.appendFlags(slice, validity, first, end);
      else if (column.type === "decimal") this.appendDecimals(slice, validity, first, end);
      else this.appendFixed(slice, validity, first, end);
    }
    this.rows += rows;
    this.count += present;
  }

  clear(): void {
    this.rows = this.count = this.length = 0;
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

  private appendVarying(
    slice: ColumnSlice,
    validity: Uint8Array | undefined,
    first: number,
    end: number,
    present: number,
  ): void {
    const offsets = slice.offsets!;
    const from = offsets[first]!;
    const to = offsets[end]!;
    this.reserve(to - from);
    this.bytes.set(slice.values.subarray(from, to), this.length);
    if (this.count + present > this.ends.length) {
      const grown = new Int32Array(Math.max(this.count + present, this.ends.length * 2, ROWS_INITIAL));
      grown.set(this.ends.subarray(0, this.count));
      this.ends = grown;
    }
    const { ends } = this;
    const shift = this.length - from;
    let q = this.count;
    if (validity === undefined) for (let row = first + 1; row <= end; row++) ends[q++] = offsets[row]! + shift;
    else {
      for (let row = first; row < end; row++)
        if (((validity[row >> 3]! >> (row & 7)) & 1) === 1) ends[q++] = offsets[row + 1]! + shift;
    }
    this.length += to - from;
  }

  private appendFlags({ values }: ColumnSlice, validity: Uint8Array | undefined, first: number, end: number): void {
    this.reserve(end - first);
    const { bytes } = this;
    let q = this.length;
    for (let row = first; row < end; row++) {
      if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
      bytes[q++] = (values[row >> 3]! >> (row & 7)) & 1;
    }
    this.length = q;
  }

  private appendFixed({ values }: ColumnSlice, validity: Uint8Array | undefined, first: number, end: number): void {
    const { width } = this;
    this.reserve((end - first) * width);
    if (validity === undefined) {
      this.bytes.set(values.subarray(first * width, end * width), this.length);
      this.length += (end - first) * width;
      return;
    }
    const { bytes } = this;
    let q = this.length;
    for (let row = first; row < end; row++) {
      if (((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
      for (let p = row * width, last = p + width; p < last; p++) bytes[q++] = values[p]!;
    }
    this.length = q;
  }

  /** Arrow has them low byte first, Parquet high byte first. */
  private appendDecimals({ values }: ColumnSlice, validity: Uint8Array | undefined, first: number, end: number): void {
    this.reserve((end - first) * 16);
    const { view } = this;
    const from = new DataView(values.buffer, values.byteOffset, values.byteLength);
    let q = this.length;
    for (let row = first; row < end; row++) {
      if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
      for (let word = 0; word < 16; word += 4) view.setInt32(q + word, from.getInt32(row * 16 + 12 - word, true));
      q += 16;
    }
    this.length = q;
  }

  private reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
}
