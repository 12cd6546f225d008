/**
 * LZ4 frames (LZ4 frame format 1.6.3, block format 1.6.3), the compressing side only: independent blocks of at most
 * 4 MiB, no checksums beside the header's. Speed before size: one look into one hash table per position. HOT PATH.
 */
const MAGIC = 0x184d2204;
const FLAGS = 0x60; // version 1, blocks independent
const BLOCK_DESCRIPTOR = 0x70; // blocks of at most 4 MiB
const HEADER_CHECKSUM = 0x73; // second byte of xxh32 of the two bytes before, which never change
const HEADER_BYTES = 7;
const BLOCK_BYTES_MAX = 4 << 20;
const STORED = 0x80000000; // top bit of a block's size: it is not compressed

const MATCH_BYTES_MIN = 4; // of the block format
const LAST_LITERALS = 5; // … its last bytes are literals
const MATCH_FIND_LIMIT = 12; // … and no match begins in the last 12
const DISTANCE_MAX = 65_535;
const HASH_BITS = 14; // 64 KiB of table: stays in the second-level cache
const SKIP_SHIFT = 6; // after 64 positions without a match the step grows: noise is passed over quickly

const table = new Int32Array(1 << HASH_BITS);

/** Bytes that a frame of `bytes` bytes takes at most. */
export function lz4FrameBytesMax(bytes: number): number {
  const blocks = Math.ceil(bytes / BLOCK_BYTES_MAX);
  return HEADER_BYTES + blocks * 4 + bytes + 4;
}

/** Writes `source` as one frame into `out` from byte `at` on, where `lz4FrameBytesMax` must fit; answers its end. */
export function writeLz4Frame(source: Uint8Array, out: Uint8Array, at: number): number {
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  const input = new DataView(source.buffer, source.byteOffset, source.byteLength);
  view.setUint32(at, MAGIC, true);
  out[at + 4] = FLAGS;
  out[at + 5] = BLOCK_DESCRIPTOR;
  out[at + 6] = HEADER_CHECKSUM;
  let o = at + HEADER_BYTES;
  for (let from = 0; from < source.length; from += BLOCK_BYTES_MAX) {
    const to = Math.min(source.length, from + BLOCK_BYTES_MAX);
    const end = writeBlock(source, input, from, to, out, o + 4, o + 4 + (to - from));
    if (end > 0) {
      view.setUint32(o, end - o - 4, true);
      o = end;
    } else {
      out.set(source.subarray(from, to), o + 4);
      view.setUint32(o, (STORED | (to - from)) >>> 0, true);
      o += 4 + (to - from);
    }
  }
  view.setUint32(o, 0, true);
  return o + 4;
}

/** Compresses [from, to) into `out` at `o`; answers the end, or 0 where that would reach `limit`. */
function writeBlock(
  source: Uint8Array,
  input: DataView,
  from: number,
  to: number,
  out: Uint8Array,
  o: number,
  limit: number,
): number {
  const matchLimit = to - LAST_LITERALS;
  const findLimit = to - MATCH_FIND_LIMIT;
  let anchor = from;
  let p = from;
  table.fill(-1);
  while (p < findLimit) {
    const word = input.getInt32(p, true);
    const slot = Math.imul(word, -1640531535) >>> (32 - HASH_BITS);
    const candidate = table[slot]!;
    table[slot] = p;
    if (candidate < from || p - candidate > DISTANCE_MAX || input.getInt32(candidate, true) !== word) {
      p += 1 + ((p - anchor) >> SKIP_SHIFT);
      continue;
    }
    let start = p;
    let match = candidate;
    while (start > anchor && match > from && source[start - 1] === source[match - 1]) {
      start--;
      match--;
    }
    let end = p + MATCH_BYTES_MIN;
    let m = candidate + MATCH_BYTES_MIN;
    while (end + 4 <= matchLimit && input.getInt32(end, true) === input.getInt32(m, true)) {
      end += 4;
      m += 4;
    }
    while (end < matchLimit && source[end] === source[m]) {
      end++;
      m++;
    }
    const literals = start - anchor;
    const length = end - start - MATCH_BYTES_MIN;
    if (o + 1 + literals + ((literals / 255) | 0) + 3 + ((length / 255) | 0) + 1 >= limit) return 0;
    const token = o++;
    if (literals >= 15) {
      out[token] = 0xf0;
      o = writeLength(literals - 15, out, o);
    } else out[token] = literals << 4;
    if (literals < 32) for (let i = anchor; i < start; i++) out[o++] = source[i]!;
    else {
      out.set(source.subarray(anchor, start), o);
      o += literals;
    }
    const distance = start - match;
    out[o++] = distance & 0xff;
    out[o++] = distance >> 8;
    if (length >= 15) {
      out[token] = out[token]! | 15;
      o = writeLength(length - 15, out, o);
    } else out[token] = out[token]! | length;
    anchor = p = end;
    if (p < findLimit) {
      const behind = p - 2;
      table[Math.imul(input.getInt32(behind, true), -1640531535) >>> (32 - HASH_BITS)] = behind;
    }
  }
  const literals = to - anchor;
  if (o + 1 + literals + ((literals / 255) | 0) + 1 >= limit) return 0;
  if (literals >= 15) {
    out[o++] = 0xf0;
    o = writeLength(literals - 15, out, o);
  } else out[o++] = literals << 4;
  out.set(source.subarray(anchor, to), o);
  return o + literals;
}

function writeLength(left: number, out: Uint8Array, o: number): number {
  for (; left >= 255; left -= 255) out[o++] = 255;
  out[o++] = left;
  return o;
}
