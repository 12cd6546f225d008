/** The kinds of text columns. HOT PATH. */
import { Buffer } from "node:buffer";
import { NONE, type RowSet } from "../ledger/row-set.ts";
import { sameId } from "../ledger/secret-hash.ts";
import { STRKEY_LENGTH } from "../xdr/strkey.ts";
import { BitWriter, type ColumnSpec, isAllNull, type Measure, type Placement, TextColumn } from "./column.ts";
import { base64Length, wordViews, writeBase64, writeHex, writeStrkey, writeWord } from "./encode.ts";

/** Picks one of a row set's columns; asked once per batch, for a row set replaces its columns when it grows. */
export type Words = (rows: RowSet) => Uint32Array;
type Codes = (rows: RowSet) => Uint8Array;

/** Adds rows whose values are all `bytes` long where `at` is not NONE. */
function measureFixed(at: Uint32Array, bytes: number, first: number, end: number, sum: Measure): void {
  let present = 0;
  for (let row = first; row < end; row++) if (at[row] !== NONE) present++;
  sum.dataBytes += present * bytes;
  sum.nulls += end - first - present;
}

const KNOWN_IDS = 1024; // a power of 2; a ledger's rows are of some dozens of contracts, a large one's of hundreds

/** 32 bytes in the ledger as a strkey. */
export class StrkeyColumn extends TextColumn {
  /** Ids of the ledger whose texts are in the body already, and where: by their last two bytes. */
  private readonly idAt = new Uint32Array(KNOWN_IDS);
  private readonly textAt = new Uint32Array(KNOWN_IDS);

  constructor(
    spec: ColumnSpec,
    private readonly version: number,
    private readonly at: Words,
  ) {
    super(spec);
  }

  override measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    measureFixed(this.at(rows), STRKEY_LENGTH, first, end, sum);
  }
  length(): number {
    return STRKEY_LENGTH;
  }
  isNull(rows: RowSet, row: number): boolean {
    return this.at(rows)[row] === NONE;
  }
  writeValue(rows: RowSet, row: number, d: DataView, out: DataView, q: number): number {
    return writeStrkey(this.version, d, this.at(rows)[row]!, out, q);
  }

  /**
   * Rows often have the id of a row before them, of the one before or of one of few: its text is copied, as far as the
   * table still has where that is. Ids are hashes, so their last bytes tell them apart.
   */
  override write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    if (isAllNull(first, end, place)) return super.write(rows, first, end, out, place);
    const { dataAt, validityAt } = place;
    let { offsetsAt } = place;
    const at = this.at(rows);
    const { ledger: ledgerOf, ledgers } = rows;
    const { idAt, textAt } = this;
    const validity = validityAt < 0 ? undefined : new BitWriter(out, validityAt);
    let ledger = -1;
    let d = out;
    let q = dataAt;
    out.setInt32(offsetsAt, 0, true);
    for (let row = first; row < end; row++) {
      const p = at[row]!;
      validity?.push(p !== NONE);
      if (p !== NONE) {
        if (ledgerOf[row] !== ledger) {
          ledger = ledgerOf[row]!;
          d = ledgers[ledger]!.view;
          idAt.fill(NONE);
        }
        const known = d.getUint16(p + 30) & (KNOWN_IDS - 1);
        const before = idAt[known]!;
        if (before !== NONE && (p === before || sameId(d, p, d, before))) copyStrkey(out, textAt[known]!, q);
        else writeStrkey(this.version, d, p, out, q);
        idAt[known] = p;
        textAt[known] = q;
        q += STRKEY_LENGTH;
      }
      offsetsAt += 4;
      out.setInt32(offsetsAt, q - dataAt, true);
    }
    validity?.finish();
    return q;
  }
}

function copyStrkey(out: DataView, from: number, to: number): void {
  for (let i = 0; i < STRKEY_LENGTH; i += 4) out.setInt32(to + i, out.getInt32(from + i));
}

/** A small number as one of a list of words; the empty word is null. */
export class WordColumn extends TextColumn {
  private readonly words: readonly DataView[];

  constructor(
    spec: ColumnSpec,
    words: readonly string[],
    private readonly codes: Codes,
  ) {
    super(spec);
    this.words = wordViews(words);
  }

  override measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    const codes = this.codes(rows);
    for (let row = first; row < end; row++) {
      const { byteLength } = this.words[codes[row]!]!;
      sum.dataBytes += byteLength;
      if (byteLength === 0) sum.nulls++;
    }
  }
  length(rows: RowSet, row: number): number {
    return this.words[this.codes(rows)[row]!]!.byteLength;
  }
  isNull(rows: RowSet, row: number): boolean {
    return this.length(rows, row) === 0;
  }
  writeValue(rows: RowSet, row: number, _d: DataView, out: DataView, q: number): number {
    return writeWord(this.words[this.codes(rows)[row]!]!, out, q);
  }

  override write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    if (isAllNull(first, end, place)) return super.write(rows, first, end, out, place);
    const { dataAt, validityAt } = place;
    let { offsetsAt } = place;
    const codes = this.codes(rows);
    const { words } = this;
    const validity = validityAt < 0 ? undefined : new BitWriter(out, validityAt);
    let q = dataAt;
    out.setInt32(offsetsAt, 0, true);
    for (let row = first; row < end; row++) {
      const word = words[codes[row]!]!;
      q = writeWord(word, out, q);
      validity?.push(word.byteLength > 0);
      offsetsAt += 4;
      out.setInt32(offsetsAt, q - dataAt, true);
    }
    validity?.finish();
    return q;
  }
}

/** 32 bytes in the ledger as lowercase hex. */
export class HexColumn extends TextColumn {
  constructor(
    spec: ColumnSpec,
    private readonly at: Words,
  ) {
    super(spec);
  }

  override measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    measureFixed(this.at(rows), 64, first, end, sum);
  }
  length(): number {
    return 64;
  }
  isNull(rows: RowSet, row: number): boolean {
    return this.at(rows)[row] === NONE;
  }
  writeValue(rows: RowSet, row: number, d: DataView, out: DataView, q: number): number {
    return writeHex(d, this.at(rows)[row]!, 32, out, q);
  }

  /** Rows of one transaction follow each other, and have its hash from one place: the text is copied. */
  override write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    if (isAllNull(first, end, place)) return super.write(rows, first, end, out, place);
    const { dataAt, validityAt } = place;
    let { offsetsAt } = place;
    const at = this.at(rows);
    const { ledger: ledgerOf, ledgers } = rows;
    const validity = validityAt < 0 ? undefined : new BitWriter(out, validityAt);
    let ledger = -1;
    let d = out;
    let before = NONE;
    let q = dataAt;
    out.setInt32(offsetsAt, 0, true);
    for (let row = first; row < end; row++) {
      const p = at[row]!;
      validity?.push(p !== NONE);
      if (p !== NONE) {
        if (ledgerOf[row] !== ledger) {
          ledger = ledgerOf[row]!;
          d = ledgers[ledger]!.view;
          before = NONE;
        }
        if (p === before) for (let i = 0; i < 64; i += 4) out.setInt32(q + i, out.getInt32(q - 64 + i));
        else writeHex(d, p, 32, out, q);
        before = p;
        q += 64;
      }
      offsetsAt += 4;
      out.setInt32(offsetsAt, q - dataAt, true);
    }
    validity?.finish();
    return q;
  }
}

/** The rows' key hashes as lowercase hex. */
export class KeyHashColumn extends TextColumn {
  override readonly needsKeyHash = true;
  private hashes = new DataView(new ArrayBuffer(0));

  override measure(_rows: RowSet, first: number, end: number, sum: Measure): void {
    sum.dataBytes += 64 * (end - first);
  }
  length(): number {
    return 64;
  }
  isNull(): boolean {
    return false;
  }
  writeValue(rows: RowSet, row: number, _d: DataView, out: DataView, q: number): number {
    if (this.hashes.buffer !== rows.keyHash.buffer) this.hashes = new DataView(rows.keyHash.buffer);
    return writeHex(this.hashes, row * 32, 32, out, q);
  }

  /** All hashes lie behind each other, and so do their texts. */
  override write(rows: RowSet, first: number, end: number, out: DataView, place: Placement): number {
    const { dataAt, offsetsAt } = place;
    for (let i = 0; i <= end - first; i++) out.setInt32(offsetsAt + 4 * i, 64 * i, true);
    return writeHex(new DataView(rows.keyHash.buffer), first * 32, (end - first) * 32, out, dataAt);
  }
}

/**
 * Bytes in the ledger as base64. By table at any length: the runtime's own base64 is faster at some 400 bytes by itself, but
 * makes a text on the way, and what is left of those costs more in page faults and collections than it saves.
 */
export class Base64Column extends TextColumn {
  constructor(
    spec: ColumnSpec,
    private readonly at: Words,
    private readonly bytes: Words,
  ) {
    super(spec);
  }

  override measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    const bytes = this.bytes(rows);
    let total = 0;
    for (let row = first; row < end; row++) total += base64Length(bytes[row]!);
    sum.dataBytes += total;
  }
  length(rows: RowSet, row: number): number {
    return base64Length(this.bytes(rows)[row]!);
  }
  isNull(): boolean {
    return false;
  }
  writeValue(rows: RowSet, row: number, d: DataView, out: DataView, q: number): number {
    return writeBase64(d, this.at(rows)[row]!, this.bytes(rows)[row]!, out, q);
  }
}

const WORD_COPY_BYTES_MAX = 256; // measured: from here on a view and its set are the faster

/** Bytes in the ledger as they are. Cells are base64. */
export class BinaryColumn extends TextColumn {
  override readonly type = "binary";

  constructor(
    spec: ColumnSpec,
    private readonly at: Words,
    private readonly bytes: Words,
  ) {
    super(spec);
  }

  override measure(rows: RowSet, first: number, end: number, sum: Measure): void {
    const at = this.at(rows);
    const bytes = this.bytes(rows);
    for (let row = first; row < end; row++) {
      sum.dataBytes += bytes[row]!;
      if (at[row] === NONE) sum.nulls++;
    }
  }
  length(rows: RowSet, row: number): number {
    return this.bytes(rows)[row]!;
  }
  isNull(rows: RowSet, row: number): boolean {
    return this.at(rows)[row] === NONE;
  }
  writeValue(rows: RowSet, row: number, d: DataView, out: DataView, q: number): number {
    const p = this.at(rows)[row]!;
    const length = this.bytes(rows)[row]!;
    if (length > WORD_COPY_BYTES_MAX) {
      const source = rows.ledgers[rows.ledger[row]!]!.bytes.subarray(p, p + length);
      new Uint8Array(out.buffer, out.byteOffset + q, length).set(source);
    } else for (let i = 0; i < length; i += 4) out.setInt32(q + i, d.getInt32(p + i)); // XDR comes in fours
    return q + length;
  }

  override cell(rows: RowSet, row: number): string | null {
    if (this.isNull(rows, row)) return null;
    const p = this.at(rows)[row]!;
    const { bytes } = rows.ledgers[rows.ledger[row]!]!;
    return Buffer.from(bytes.subarray(p, p + this.bytes(rows)[row]!)).toString("base64");
  }
}
