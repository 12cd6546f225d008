/**
 * Reads flatbuffers that strangers sent. Every offset is checked against the buffer before it is followed, and all that
 * is read counts against one budget: tables may share parts of the buffer, so that a few hundred bytes can describe a
 * tree without end. (Generated readers, apache-arrow's among them, trust their input.) Layout: the FlatBuffers
 * internals page, "Tables", "Strings" and "Vectors"; all numbers are little-endian.
 */

/** Bytes that do not hold what they say. The message names the place; callers make a CodedError of it. */
export class FlatbufferError extends Error {}

const READ_FACTOR = 4; // what may be read, in sizes of the buffer: writers share vtables and equal strings, not more
const READ_BYTES_MIN = 1024; // of a tiny buffer

const UTF8 = new TextDecoder();

/** A flatbuffer of unknown origin. */
export class Flatbuffer {
  readonly view: DataView;
  private readLeft: number;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.readLeft = Math.max(READ_BYTES_MIN, bytes.length * READ_FACTOR);
  }

  /** @throws FlatbufferError, as everything here does where the bytes are not as they should be */
  root(): FlatTable {
    return new FlatTable(this, this.follow(0));
  }

  /** Throws unless `count` bytes stand at `at`. */
  assertWithin(at: number, count: number): void {
    if (at < 0 || at + count > this.bytes.length) {
      throw new FlatbufferError(`${count} B at byte ${at} are outside its ${this.bytes.length} B`);
    }
  }

  /** Counts what is about to be read. */
  charge(bytes: number): void {
    this.readLeft -= bytes;
    if (this.readLeft < 0) {
      throw new FlatbufferError(`its parts, with those named twice, are over ${READ_FACTOR} times its size`);
    }
  }

  /** The place that the 32-bit offset at `at` leads to; offsets lead forward only. */
  follow(at: number): number {
    this.assertWithin(at, 4);
    const offset = this.view.getUint32(at, true);
    if (offset < 4) throw new FlatbufferError(`the offset at byte ${at} is ${offset}`);
    this.assertWithin(at + offset, 4);
    return at + offset;
  }

  /** The vector at `at`: where its elements begin and how many there are. */
  vector(at: number, elementBytes: number): { start: number; length: number } {
    this.assertWithin(at, 4);
    const length = this.view.getUint32(at, true);
    this.assertWithin(at + 4, length * elementBytes);
    this.charge(4 + length * elementBytes);
    return { start: at + 4, length };
  }
}

/** One table. Fields are named by their number in the schema file, from 0; an absent field has its default. */
export class FlatTable {
  private readonly vtable: number;
  private readonly vtableBytes: number;
  private readonly tableBytes: number;

  constructor(
    private readonly buffer: Flatbuffer,
    private readonly at: number,
  ) {
    buffer.assertWithin(at, 4);
    const { view } = buffer;
    this.vtable = at - view.getInt32(at, true);
    buffer.assertWithin(this.vtable, 4);
    this.vtableBytes = view.getUint16(this.vtable, true);
    this.tableBytes = view.getUint16(this.vtable + 2, true);
    if (this.vtableBytes < 4 || this.vtableBytes % 2 !== 0 || this.tableBytes < 4) {
      throw new FlatbufferError(`the table at byte ${at} has a bad vtable`);
    }
    buffer.assertWithin(this.vtable, this.vtableBytes);
    buffer.assertWithin(at, this.tableBytes);
    buffer.charge(this.tableBytes);
  }

  has(field: number): boolean {
    return this.place(field, 0) !== undefined;
  }

  boolean(field: number): boolean {
    return this.uint8(field) !== 0;
  }

  uint8(field: number): number {
    const at = this.place(field, 1);
    return at === undefined ? 0 : this.buffer.view.getUint8(at);
  }

  int16(field: number): number {
    const at = this.place(field, 2);
    return at === undefined ? 0 : this.buffer.view.getInt16(at, true);
  }

  int32(field: number, absent = 0): number {
    const at = this.place(field, 4);
    return at === undefined ? absent : this.buffer.view.getInt32(at, true);
  }

  int64(field: number): bigint {
    const at = this.place(field, 8);
    return at === undefined ? 0n : this.buffer.view.getBigInt64(at, true);
  }

  text(field: number): string | undefined {
    const vector = this.vector(field, 1);
    if (vector === undefined) return undefined;
    return UTF8.decode(this.buffer.bytes.subarray(vector.start, vector.start + vector.length));
  }

  table(field: number): FlatTable | undefined {
    const at = this.place(field, 4);
    return at === undefined ? undefined : new FlatTable(this.buffer, this.buffer.follow(at));
  }

  tables(field: number): FlatTable[] {
    const vector = this.vector(field, 4);
    if (vector === undefined) return [];
    return Array.from(
      { length: vector.length },
      (_, index) => new FlatTable(this.buffer, this.buffer.follow(vector.start + 4 * index)),
    );
  }

  /** A vector of structs or numbers. */
  vector(field: number, elementBytes: number): { start: number; length: number } | undefined {
    const at = this.place(field, 4);
    return at === undefined ? undefined : this.buffer.vector(this.buffer.follow(at), elementBytes);
  }

  /** Where the field's `count` bytes are; undefined where it is absent. */
  place(field: number, count: number): number | undefined {
    const entry = 4 + 2 * field;
    if (entry + 2 > this.vtableBytes) return undefined;
    const offset = this.buffer.view.getUint16(this.vtable + entry, true);
    if (offset === 0) return undefined;
    if (offset < 4 || offset + count > this.tableBytes) {
      throw new FlatbufferError(`field ${field} of the table at byte ${this.at} is outside the table`);
    }
    return this.at + offset;
  }
}
