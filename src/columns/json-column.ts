/**
 * ScVals as XDR-JSON. HOT PATH. Such text is as dear to measure as to write, so this kind of column, alone among all,
 * formats when it is measured: into memory of its own, from which whole runs of rows are copied later. The memory is
 * bounded; rows past the bound are measured, forgotten, and formatted again when they are written.
 */
import { NONE, type RowSet } from "../ledger/row-set.ts";
import { BitWriter, type ColumnSpec, type Measure, type Placement, TextColumn } from "./column.ts";
import type { Words } from "./text-columns.ts";
import { XdrJsonWriter } from "./xdr-json.ts";

const KEPT_BYTES_MAX = 4 << 20; // several batches of the usual size
const FORGOTTEN = 0xffff_ffff;

/** ScVals as XDR-JSON text (SEP-51). */
export class XdrJsonColumn extends TextColumn {
  override readonly isJson = true;
  private readonly json = new XdrJsonWriter();
  private rows: RowSet | undefined;
  private generation = 0;
  /** The rows [base, known) are measured. */
  private base = 0;
  private known = 0;
  /** By row from `base` on: where its text begins in `json.bytes`, or FORGOTTEN; and its length. */
  private starts = new Uint32Array(1024);
  private lengths = new Uint32Array(1024);

  /** `at`: where the ScVal lies; NONE is null. */
  constructor(
    spec: ColumnSpec,
    private readonly at: Words,
  ) {
    super(spec);
  }

  override measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    this.prepare(rows, first, end);
    const at = this.at(rows);
    const { lengths, base } = this;
    for (let row = first; row < end; row++) {
      sum.dataBytes += lengths[row - base]!;
      if (at[row] === NONE) sum.nulls++;
    }
  }

  override write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    this.prepare(rows, first, end);
    this.forgetBefore(first);
    const at = this.at(rows);
    const { starts, lengths, base, json } = this;
    const { dataAt } = place;
    const validity = place.validityAt < 0 ? undefined : new BitWriter(out, place.validityAt);
    const target = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
    let { offsetsAt } = place;
    let q = dataAt;
    // A run of rows whose texts lie one after the other is copied at once.
    let runAt = 0;
    let runBytes = 0;
    out.setInt32(offsetsAt, 0, true);
    for (let row = first; row < end; row++) {
      const start = starts[row - base]!;
      const length = lengths[row - base]!;
      validity?.push(at[row] !== NONE);
      if (length > 0) {
        if (start !== runAt + runBytes || start === FORGOTTEN) {
          target.set(json.bytes.subarray(runAt, runAt + runBytes), q - runBytes);
          runAt = start;
          runBytes = 0;
        }
        if (start === FORGOTTEN) {
          this.format(rows, row, at[row]!);
          target.set(json.bytes.subarray(json.end - length, json.end), q);
          json.end -= length;
          runAt = 0;
        } else runBytes += length;
        q += length;
      }
      offsetsAt += 4;
      out.setInt32(offsetsAt, q - dataAt, true);
    }
    target.set(json.bytes.subarray(runAt, runAt + runBytes), q - runBytes);
    validity?.finish();
    return q;
  }

  length(rows: RowSet, row: number): number {
    this.prepare(rows, row, row + 1);
    return this.lengths[row - this.base]!;
  }

  isNull(rows: RowSet, row: number): boolean {
    return this.at(rows)[row] === NONE;
  }

  writeValue(rows: RowSet, row: number, _d: DataView, out: DataView, q: number): number {
    const { json } = this;
    const start = json.end;
    this.format(rows, row, this.at(rows)[row]!);
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(json.bytes.subarray(start, json.end), q);
    q += json.end - start;
    json.end = start;
    return q;
  }

  private format(rows: RowSet, row: number, at: number): void {
    this.json.write(rows.ledgers[rows.ledger[row]!]!.view, at);
  }

  /** Measures (and so formats) the rows [first, end), if they are not. */
  private prepare(rows: RowSet, first: number, end: number): void {
    const isOther = rows !== this.rows || rows.generation !== this.generation;
    if (isOther || first < this.base || first > this.known) {
      this.rows = rows;
      this.generation = rows.generation;
      this.base = first;
      this.known = first;
      this.json.end = 0;
    }
    if (end <= this.known) return;
    if (end - this.base > this.starts.length) this.enlarge(end - this.base);
    const at = this.at(rows);
    const { starts, lengths, base, json } = this;
    for (let row = this.known; row < end; row++) {
      const start = json.end;
      if (at[row] !== NONE) this.format(rows, row, at[row]!);
      lengths[row - base] = json.end - start;
      starts[row - base] = start;
      if (json.end <= KEPT_BYTES_MAX) continue;
      json.end = start;
      starts[row - base] = FORGOTTEN;
    }
    this.known = end;
  }

  /** Rows are written in rising order: once the front half is behind, the rest moves up. */
  private forgetBefore(first: number): void {
    const behind = first - this.base;
    const { starts, lengths, json } = this;
    const measured = this.known - this.base;
    if (behind < measured - behind || behind === 0) return;
    let from = json.end;
    for (let i = behind; i < measured; i++) {
      if (starts[i] === FORGOTTEN) continue;
      from = starts[i]!;
      break;
    }
    json.drop(from);
    for (let i = behind; i < measured; i++) {
      starts[i - behind] = starts[i] === FORGOTTEN ? FORGOTTEN : starts[i]! - from;
      lengths[i - behind] = lengths[i]!;
    }
    this.base = first;
  }

  private enlarge(rows: number): void {
    const size = 2 ** Math.ceil(Math.log2(rows));
    const grow = (old: Uint32Array): Uint32Array<ArrayBuffer> => {
      const grown = new Uint32Array(size);
      grown.set(old);
      return grown;
    };
    this.starts = grow(this.starts);
    this.lengths = grow(this.lengths);
  }
}
