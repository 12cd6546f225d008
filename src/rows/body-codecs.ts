/** Compressed IPC bodies for our own clients (`tail`): apache-arrow reads them once it knows how to inflate a buffer. */
import { zstdDecompressSync } from "node:zlib";
import { CompressionType, compressionRegistry } from "apache-arrow";
import { CodedError } from "../error.ts";

// LZ4's frame format, version 1.6.2, and its block format.
const LZ4_MAGIC = 0x184d2204;
const LZ4_FLAG_BLOCK_CHECKSUM = 0x10;
const LZ4_FLAG_CONTENT_SIZE = 0x08;
const LZ4_FLAG_DICTIONARY = 0x01;
const LZ4_STORED = 0x80000000; // of a block's size: it is not compressed
const LZ4_LENGTH_MORE = 15;
const LZ4_MATCH_MIN = 4;
const BODY_BYTES_MAX = 256 << 20; // of one buffer inflated: far over what a message of 64 MiB makes of rows

/** Lets apache-arrow read zstd and lz4 bodies. May be called again. */
export function registerBodyCodecs(): void {
  compressionRegistry.set(CompressionType.ZSTD, {
    decode: (data) => zstdDecompressSync(data, { maxOutputLength: BODY_BYTES_MAX }),
  });
  compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: readLz4Frame });
}

function malformed(what: string): CodedError {
  return new CodedError("DATA_LOSS", "LZ4_FRAME", `an lz4 body cannot be read: ${what}`);
}

/** What an LZ4 frame holds. Checksums are not looked at: TCP has its own. @throws CodedError DATA_LOSS / LZ4_FRAME */
function readLz4Frame(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (frame.length < 7 || view.getUint32(0, true) !== LZ4_MAGIC) throw malformed("it does not begin like a frame");
  const flags = frame[4]!;
  let at = 6 + 1; // magic, flags, block descriptor; then the header's checksum
  if ((flags & LZ4_FLAG_CONTENT_SIZE) !== 0) at += 8;
  if ((flags & LZ4_FLAG_DICTIONARY) !== 0) throw malformed("it needs a dictionary");
  const output = new Growing();
  for (;;) {
    if (at + 4 > frame.length) throw malformed("it is cut off");
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) return output.bytes();
    const end = at + (size & ~LZ4_STORED);
    if (end > frame.length) throw malformed("a block is cut off");
    if ((size & LZ4_STORED) !== 0) output.append(frame.subarray(at, end));
    else readBlock(frame.subarray(at, end), output);
    at = end + ((flags & LZ4_FLAG_BLOCK_CHECKSUM) !== 0 ? 4 : 0);
  }
}

/** Sequences of literals and a match in what came before; the last one has no match. */
function readBlock(block: Uint8Array, output: Growing): void {
  let at = 0;
  const length = (nibble: number): number => {
    let total = nibble;
    if (nibble < LZ4_LENGTH_MORE) return total;
    for (;;) {
      if (at >= block.length) throw malformed("a length is cut off");
      const more = block[at++]!;
      total += more;
      if (more < 255) return total;
    }
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = length(token >> 4);
    if (at + literals > block.length) throw malformed("literals are cut off");
    output.append(block.subarray(at, at + literals));
    at += literals;
    if (at === block.length) return;
    if (at + 2 > block.length) throw malformed("an offset is cut off");
    const offset = block[at]! | (block[at + 1]! << 8);
    at += 2;
    output.repeat(offset, length(token & 15) + LZ4_MATCH_MIN);
  }
}

class Growing {
  private memory = new Uint8Array(64 << 10);
  private length = 0;

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.memory.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Bytes from `offset` before the end on, which may run into what is being written. */
  repeat(offset: number, count: number): void {
    if (offset === 0 || offset > this.length) throw malformed(`an offset of ${offset} after ${this.length} bytes`);
    this.reserve(count);
    for (let left = count; left > 0; left--) {
      this.memory[this.length] = this.memory[this.length - offset]!;
      this.length += 1;
    }
  }

  bytes(): Uint8Array {
    return this.memory.subarray(0, this.length);
  }

  private reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.memory.length) return;
    if (needed > BODY_BYTES_MAX) throw malformed(`it inflates to over ${BODY_BYTES_MAX} B`);
    const larger = new Uint8Array(Math.max(needed, 2 * this.memory.length));
    larger.set(this.memory.subarray(0, this.length));
    this.memory = larger;
  }
}
