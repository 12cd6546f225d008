/** Bytes that grow as they are written. */
const BYTES_INITIAL = 1 << 12;

/** A buffer with a position; little-endian, as Parquet is. */
export class ByteWriter {
  buffer = new Uint8Array(BYTES_INITIAL);
  view = new DataView(this.buffer.buffer);
  length = 0;

  /** Makes room for `bytes` more; their place is from `length` on, which stays as it is. */
  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.buffer.length * 2));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  int32(value: number): void {
    this.reserve(4);
    this.view.setInt32(this.length, value, true);
    this.length += 4;
  }

  bytes(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** ULEB128 of a whole number from 0 to 2^53. */
  varint(value: number): void {
    while (value > 127) {
      this.byte((value % 128) | 128);
      value = Math.floor(value / 128);
    }
    this.byte(value);
  }

  /** What was written: a view that the next write may change. */
  written(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
  }
}
