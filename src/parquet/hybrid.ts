/** Parquet's hybrid of run lengths and bit-packed groups of eight (Encodings.md, RLE): HOT PATH. */
import type { ByteWriter } from "./byte-writer.ts";

const RUN_MIN = 8; // shorter runs are no smaller than the bits

/**
 * Bits that `count` numbers from 0 on are written with: 0, 1, 2, 4, or whole bytes. Numbers that share no byte, or always in
 * the same way, are compressed to less than those of the fewest bits are, and in less time.
 */
export function bitWidthOf(count: number): number {
  const bits = count <= 1 ? 0 : 32 - Math.clz32(count - 1);
  if (bits <= 2) return bits;
  return bits <= 4 ? 4 : (bits + 7) & ~7;
}

/** Writes values [first, end), each of `width` bits, 24 at most: runs of eight and more as such, the rest in groups of eight. */
export function writeHybrid(values: Int32Array, first: number, end: number, width: number, out: ByteWriter): void {
  const valueBytes = (width + 7) >> 3;
  let literal = first; // where the values begin that are not written yet
  for (let at = first; at < end; ) {
    const value = values[at]!;
    let next = at + 1;
    while (next < end && values[next] === value) next++;
    // groups before a run are whole: it gives them what they lack
    const runAt = at + ((8 - ((at - literal) & 7)) & 7);
    if (next - runAt >= RUN_MIN) {
      writeGroups(values, literal, runAt, width, out);
      out.varint((next - runAt) * 2);
      for (let byte = 0; byte < valueBytes; byte++) out.byte((value >>> (8 * byte)) & 0xff);
      literal = next;
    }
    at = next;
  }
  writeGroups(values, literal, end, width, out);
}

function writeGroups(values: Int32Array, first: number, end: number, width: number, out: ByteWriter): void {
  if (end === first) return;
  const groups = (end - first + 7) >> 3;
  out.varint(groups * 2 + 1);
  out.reserve(groups * width);
  const { buffer } = out;
  let q = out.length;
  out.length += groups * width;
  let held = 0;
  let bits = 0;
  for (let i = first; i < end; i++) {
    held |= values[i]! << bits;
    bits += width;
    while (bits >= 8) {
      buffer[q++] = held;
      held >>>= 8;
      bits -= 8;
    }
  }
  if (bits > 0) buffer[q++] = held;
  buffer.fill(0, q, out.length);
}

/** Writes the definition levels [first, end) of an optional column (1: there, 0: null), with their length in front. */
export function writeLevels(levels: Uint8Array, first: number, end: number, present: number, out: ByteWriter): void {
  const lengthAt = out.length;
  out.int32(0);
  const rows = end - first;
  if (present === rows || present === 0) {
    out.varint(rows * 2);
    out.byte(present === 0 ? 0 : 1);
  } else {
    out.varint(((rows + 7) >> 3) * 2 + 1);
    out.reserve((rows + 7) >> 3);
    writeBits(levels, first, end, out);
  }
  out.view.setInt32(lengthAt, out.length - lengthAt - 4, true);
}

/** Writes bytes that are 0 or 1 as bits, the first one lowest; the last byte is filled with zeros. */
export function writeBits(flags: Uint8Array, first: number, end: number, out: ByteWriter): void {
  out.reserve((end - first + 7) >> 3);
  const { buffer } = out;
  let q = out.length;
  let at = first;
  for (; at + 8 <= end; at += 8) {
    buffer[q++] =
      flags[at]! |
      (flags[at + 1]! << 1) |
      (flags[at + 2]! << 2) |
      (flags[at + 3]! << 3) |
      (flags[at + 4]! << 4) |
      (flags[at + 5]! << 5) |
      (flags[at + 6]! << 6) |
      (flags[at + 7]! << 7);
  }
  if (at < end) {
    let held = 0;
    for (let bit = 0; at < end; at++, bit++) held |= flags[at]! << bit;
    buffer[q++] = held;
  }
  out.length = q;
}
