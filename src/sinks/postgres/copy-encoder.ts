/**
 * Rows in the binary format of PostgreSQL's COPY: from Arrow's buffers, without a string for each value. Hot: one turn of
 * the loops here for each value of each row.
 *
 * A file is the head, rows, and the end mark; a row is the number of its fields, and each field its length (-1: null) and bytes.
 */
import type { Data, Vector } from "apache-arrow";
import { COLUMNS, type SinkColumn } from "../columns.ts";

/** What a COPY begins with: signature, flags, length of the extension. */
export const COPY_HEAD = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
/** What it ends with. */
export const COPY_END = Buffer.from([0xff, 0xff]);

const EPOCH_US = Date.UTC(2000, 0, 1) * 1000; // PostgreSQL's times count from there
const ROW_FIXED_BYTES = 2 + COLUMNS.length * 16; // the field count, and all that is not text or bytes; other datasets have fewer columns
const NUMERIC_BYTES_MAX = 64; // 39 digits, in groups of four, and the head
const NUMERIC_NEGATIVE = 0x4000;
const JSONB_VERSION = 1;
const NO_PREFIX = -1;
const ZERO = 0x30;
const MINUS = 0x2d;

/** Writes a row's field where the encoder stands. */
type Field = (row: number, out: Growing) => void;

/** Encodes rows of one table. */
export class CopyRows {
  private readonly fields: Field[];

  /** @param vectors in the order of the columns */
  constructor(
    private readonly columns: readonly SinkColumn[],
    vectors: readonly Vector[],
  ) {
    this.fields = columns.map(({ kind }, column) => fieldOf(kind, vectors[column]!));
  }

  /** @param isMarker leaves out what an entry that is gone has no more */
  write(row: number, out: Growing, isMarker = false): void {
    out.reserve(ROW_FIXED_BYTES);
    const { columns } = this;
    out.int16(columns.length);
    for (let column = 0; column < this.fields.length; column++) {
      if (isMarker && columns[column]!.isValue) out.absent();
      else this.fields[column]!(row, out);
    }
  }
}

/** Bytes that grow. */
export class Growing {
  private memory = Buffer.allocUnsafe(64 << 10);
  private at = 0;

  /** What has been written; a view that holds until `clear`. */
  get bytes(): Buffer {
    return this.memory.subarray(0, this.at);
  }

  get length(): number {
    return this.at;
  }

  /** Begins anew in the same memory. */
  clear(): void {
    this.at = 0;
  }

  /** Bytes as they are. */
  append(from: Buffer, start: number, end: number): void {
    this.reserve(end - start);
    from.copy(this.memory, this.at, start, end);
    this.at += end - start;
  }

  reserve(bytes: number): void {
    if (this.at + bytes <= this.memory.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.memory.length, this.at + bytes));
    this.memory.copy(larger, 0, 0, this.at);
    this.memory = larger;
  }

  int16(value: number): void {
    this.memory[this.at] = value >>> 8;
    this.memory[this.at + 1] = value;
    this.at += 2;
  }

  absent(): void {
    this.int32(-1);
  }

  int64(value: number): void {
    this.int32(8);
    this.int32(Math.floor(value / 2 ** 32));
    this.int32(value); // modulo 2^32
  }

  flag(value: boolean): void {
    this.int32(1);
    this.memory[this.at] = value ? 1 : 0;
    this.at += 1;
  }

  /** @param prefix a byte in front of them, if it is one */
  part(from: Buffer, start: number, end: number, prefix = NO_PREFIX): void {
    const extra = prefix === NO_PREFIX ? 0 : 1;
    this.reserve(end - start + ROW_FIXED_BYTES);
    this.int32(end - start + extra);
    if (extra === 1) this.memory[this.at++] = prefix;
    from.copy(this.memory, this.at, start, end);
    this.at += end - start;
  }

  /** A whole number, from its decimal text: groups of four digits, the first with the highest weight. */
  numeric(text: Uint8Array, start: number, end: number): void {
    const isNegative = text[start] === MINUS;
    const first = isNegative ? start + 1 : start;
    const groups = end - first === 1 && text[first] === ZERO ? 0 : Math.ceil((end - first) / 4);
    this.reserve(NUMERIC_BYTES_MAX + ROW_FIXED_BYTES);
    this.int32(8 + 2 * groups);
    this.int16(groups);
    this.int16(Math.max(0, groups - 1));
    this.int16(isNegative ? NUMERIC_NEGATIVE : 0);
    this.int16(0); // no digits behind the point
    for (let group = 0; group < groups; group++) {
      const behind = end - 4 * (groups - 1 - group);
      let value = 0;
      for (let at = Math.max(first, behind - 4); at < behind; at++) value = 10 * value + text[at]! - ZERO;
      this.int16(value);
    }
  }

  private int32(value: number): void {
    const { memory, at } = this;
    memory[at] = value >>> 24;
    memory[at + 1] = value >>> 16;
    memory[at + 2] = value >>> 8;
    memory[at + 3] = value;
    this.at = at + 4;
  }
}

/** What a received table has of a column: one piece, with the buffers that its type has. */
interface Buffers extends Pick<Data, "nullCount" | "nullBitmap" | "offset"> {
  values: Uint8Array | Uint32Array | BigInt64Array;
  valueOffsets: Int32Array;
}

function fieldOf(kind: SinkColumn["kind"], vector: Vector): Field {
  const data = vector.data[0] as unknown as Buffers; // which of them are there follows from the column's type
  const { nullCount, nullBitmap, offset } = data;
  const write = writerOf(kind, vector, data);
  if (nullCount === 0) return write;
  return (row, out) => {
    const bit = offset + row;
    if ((nullBitmap[bit >> 3]! & (1 << (bit & 7))) === 0) out.absent();
    else write(row, out);
  };
}

/** Writes values that are there. */
function writerOf(kind: SinkColumn["kind"], vector: Vector, { values, valueOffsets, offset }: Buffers): Field {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  switch (kind) {
    case "text":
      if (vector.data[0]!.dictionary) return wordOf(vector.data[0]!.dictionary, values as Uint8Array);
      return (row, out) => out.part(bytes, valueOffsets[row]!, valueOffsets[row + 1]!);
    case "bytes":
      return (row, out) => out.part(bytes, valueOffsets[row]!, valueOffsets[row + 1]!);
    case "json":
      return (row, out) => out.part(bytes, valueOffsets[row]!, valueOffsets[row + 1]!, JSONB_VERSION);
    case "amount":
      return (row, out) => out.numeric(bytes, valueOffsets[row]!, valueOffsets[row + 1]!);
    case "time":
      return (row, out) => out.int64(Number(values[row]!) - EPOCH_US);
    case "flag":
      return (row, out) => {
        const bit = offset + row;
        out.flag((bytes[bit >> 3]! & (1 << (bit & 7))) !== 0);
      };
    case "ledger":
    case "count":
      return (row, out) => out.int64(values[row] as number);
  }
}

/** @param indices of the dictionary's words */
function wordOf(dictionary: Vector, indices: Uint8Array): Field {
  const words = Array.from(dictionary, (word) => Buffer.from(word as string));
  return (row, out) => {
    const word = words[indices[row]!]!;
    out.part(word, 0, word.length);
  };
}
