/**
 * Columns whose values are one of few words, as Arrow dictionaries. A dictionary holds every word that its column can
 * have, in a fixed order, so it is sent once, right after the schema, and never changes: no reader has to cope with
 * deltas or replacements. HOT PATH.
 */
import type { RowSet } from "../ledger/row-set.ts";
import { BitWriter, type Cell, Column, type ColumnSpec, type Measure, type Placement, TextColumn } from "./column.ts";
import { wordViews, writeWord } from "./encode.ts";
import type { Value } from "./fixed-columns.ts";

const WORDS_MAX = 127; // indices are int8

/** A column of words, written as int8 indices into a dictionary that never changes. */
export class DictionaryColumn extends Column {
  readonly type = "utf8";
  readonly width = 8;
  /** The dictionary, in its order. */
  readonly words: readonly string[];
  /** Index in the dictionary by code; -1 is null. */
  private readonly indices: Int8Array;

  /**
   * `words` by code: an empty word is null; a code without a row (`left out`) takes no place in the dictionary.
   * `id` numbers the dictionary in its stream and belongs to the column for good.
   */
  constructor(
    spec: ColumnSpec,
    readonly id: number,
    private readonly wordsByCode: readonly string[],
    private readonly code: Value,
    leftOut: readonly string[] = [],
    override readonly needsAssets = false,
  ) {
    super(spec);
    this.words = wordsByCode.filter((word) => word !== "" && !leftOut.includes(word));
    if (this.words.length > WORDS_MAX) throw new RangeError(`${spec.name} has ${this.words.length} words`);
    this.indices = Int8Array.from(wordsByCode, (word) => this.words.indexOf(word));
  }

  measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    for (let row = first; row < end; row++) if (this.indices[this.code(rows, row)]! < 0) sum.nulls++;
  }

  write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const validity = place.validityAt < 0 ? undefined : new BitWriter(out, place.validityAt);
    let q = place.dataAt;
    for (let row = first; row < end; row++, q++) {
      const index = this.indices[this.code(rows, row)]!;
      validity?.push(index >= 0);
      out.setInt8(q, Math.max(index, 0));
    }
    validity?.finish();
    return q;
  }

  cell(rows: RowSet, row: number): Cell {
    return this.words[this.indices[this.code(rows, row)]!] ?? null;
  }

  /** The same column as text, for readers that have no dictionaries. */
  plain(): Column {
    return new PlainWordColumn(this.spec, this.wordsByCode, this.code, this.needsAssets);
  }
}

/** Words by code as text; the empty word is null. */
class PlainWordColumn extends TextColumn {
  private readonly words: readonly DataView[];

  constructor(
    spec: ColumnSpec,
    wordsByCode: readonly string[],
    private readonly code: Value,
    override readonly needsAssets: boolean,
  ) {
    super(spec);
    this.words = wordViews(wordsByCode);
  }

  length(rows: RowSet, row: number): number {
    return this.words[this.code(rows, row)]!.byteLength;
  }
  isNull(rows: RowSet, row: number): boolean {
    return this.length(rows, row) === 0;
  }
  writeValue(rows: RowSet, row: number, _d: DataView, out: DataView, q: number): number {
    return writeWord(this.words[this.code(rows, row)]!, out, q);
  }
}
