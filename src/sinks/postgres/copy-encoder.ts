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

const EPOCH_MS = Date.UTC(2000, 0, 1); // PostgreSQL's times count from there
const ROW_FIXED_BYTES = 2 + COLUMNS.length * 16; // the field count, and all that is not text or bytes
const NUMERIC_BYTES_MAX = 64; // 39 digits, in groups of four, and the head
const NUMERIC_NEGATIVE = 0x4000;
const JSONB_VERSION = 1;
const ZERO = 0x30;
const MINUS = 0x2d;

/** Writes a row's field where the encoder stands. */
type Field = (row: number, out: Growing) => void;

/** Encodes rows of one table. */
export class CopyRows {
  private readonly fields: Field[];

  /** @param vectors in the order of COLUMNS */
  constructor(vectors: readonly Vector[]) {
    this.fields = COLUMNS.map(({ kind }, column) => fieldOf(kind, vectors[column]!));
  }

  /** @param isMarker leaves out what an entry that is gone has no more */
  write(row: number, out: Growing, isMarker = false): void {
    out.reserve(ROW_FIXED_BYTES);
    out.int16(COLUMNS.length);
    for (let column = 0; column < this.fields.length; column++) {
      if (isMarker && COLUMNS[column]!.isValue) out.absent();
      else this.fields[column]!(row, out);
    }
  }
}

/** Bytes that grow. */
export class Growing {
  private memory = Buffer.allocUnsafe(64 << 10);
  private at = 0;

  /** What has been written; a view that holds until the next write. */
  get bytes(): Buffer {
    return this.memory.subarray(0, this.at);
  }

  get length(): number {
    return this.at;
  }

  /** Bytes as they are. */
  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.memory.set(bytes, this.at);
    this.at += bytes.length;
  }

  reserve(bytes: number): void {
    if (this.at + bytes <= this.memory.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.memory.length, this.at + bytes));
    this.memory.copy(larger, 0, 0, this.at);
    this.memory = larger;
  }

  int16(value: number): void {
    this.at = this.memory.writeInt16BE(value, this.at);
  }

  absent(): void {
    this.at = this.memory.writeInt32BE(-1, this.at);
  }

  int64(value: number): void {
    this.at = this.memory.writeInt32BE(8, this.at);
    this.at = this.memory.writeInt32BE(Math.floor(value / 2 ** 32), this.at);
    this.at = this.memory.writeUInt32BE(value >>> 0, this.at);
  }

  bigint64(value: bigint): void {
    this.at = this.memory.writeInt32BE(8, this.at);
    this.at = this.memory.writeBigInt64BE(value, this.at);
  }

  flag(value: boolean): void {
    this.at = this.memory.writeInt32BE(1, this.at);
    this.memory[this.at++] = value ? 1 : 0;
  }

  /** @param prefix a byte in front of them, if not negative */
  part(bytes: Uint8Array, prefix = -1): void {
    const extra = prefix < 0 ? 0 : 1;
    this.reserve(bytes.length + ROW_FIXED_BYTES);
    this.at = this.memory.writeInt32BE(bytes.length + extra, this.at);
    if (extra === 1) this.memory[this.at++] = prefix;
    this.memory.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** A whole number, from its decimal text: groups of four digits, the first with the highest weight. */
  numeric(text: Uint8Array): void {
    const isNegative = text[0] === MINUS;
    const digits = isNegative ? text.subarray(1) : text;
    const groups = digits.length === 1 && digits[0] === ZERO ? 0 : Math.ceil(digits.length / 4);
    this.reserve(NUMERIC_BYTES_MAX + ROW_FIXED_BYTES);
    this.at = this.memory.writeInt32BE(8 + 2 * groups, this.at);
    this.int16(groups);
    this.int16(Math.max(0, groups - 1));
    this.int16(isNegative ? NUMERIC_NEGATIVE : 0);
    this.int16(0); // no digits behind the point
    for (let group = 0; group < groups; group++) {
      const end = digits.length - 4 * (groups - 1 - group);
      let value = 0;
      for (let at = Math.max(0, end - 4); at < end; at++) value = 10 * value + digits[at]! - ZERO;
      this.int16(value);
    }
  }
}

function fieldOf(kind: SinkColumn["kind"], vector: Vector): Field {
  switch (kind) {
    case "text":
      return vector.data[0]?.dictionary ? dictionaryField(vector) : bytesField(vector, (out, bytes) => out.part(bytes));
    case "bytes":
      return bytesField(vector, (out, bytes) => out.part(bytes));
    case "json":
      return bytesField(vector, (out, bytes) => out.part(bytes, JSONB_VERSION));
    case "amount":
      return bytesField(vector, (out, bytes) => out.numeric(bytes));
    case "time":
      return valueField(vector, (out, ms) => out.bigint64(BigInt(Number(ms) - EPOCH_MS) * 1000n));
    case "flag":
      return valueField(vector, (out, value) => out.flag(value as boolean));
    case "ledger":
    case "count":
      return valueField(vector, (out, value) => out.int64(value as number));
  }
}

function valueField(vector: Vector, write: (out: Growing, value: unknown) => void): Field {
  return (row, out) => {
    const value: unknown = vector.get(row);
    if (value === null) out.absent();
    else write(out, value);
  };
}

/** Each word of a dictionary is encoded once. */
function dictionaryField(vector: Vector): Field {
  const words = new Map<string, Uint8Array>();
  return valueField(vector, (out, value) => {
    let bytes = words.get(value as string);
    if (bytes === undefined) {
      bytes = Buffer.from(value as string);
      words.set(value as string, bytes);
    }
    out.part(bytes);
  });
}

/** A column of bytes or UTF-8, whose values lie one behind the other. A received table has one batch. */
function bytesField(vector: Vector, write: (out: Growing, bytes: Uint8Array) => void): Field {
  const [data] = vector.data as [Data];
  const { valueOffsets, values } = data as unknown as { valueOffsets: Int32Array; values: Uint8Array }; // utf8 and binary have both
  return (row, out) => {
    if (!vector.isValid(row)) out.absent();
    else write(out, values.subarray(valueOffsets[row]!, valueOffsets[row + 1]!));
  };
}
