/** Split block bloom filters (Parquet's BloomFilter.md): whether a row group has a value, without reading it. */
import type { DistinctValues } from "./distinct-values.ts";
import { encodeThrift, int32, struct } from "./thrift.ts";

const BLOCK_BYTES = 32;
const BITS_PER_VALUE = 10.5; // one value in a hundred that is not there seems to be
const BYTES_MAX = 1 << 20;
const SALT = [0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31].map(
  (salt) => salt | 0,
);

const COPIED_BYTES_MAX = 128; // a copy of these costs less than a view on them
const copies = Array.from({ length: COPIED_BYTES_MAX + 1 }, (_, length) => new Uint8Array(length));
/** A hash as a whole, and as its low and its high half. */
const hashes = new BigUint64Array(1);
const halves = new Uint32Array(hashes.buffer);

/** The filter with its header, over all of the values. */
export function bloomFilterOf(values: DistinctValues): Uint8Array {
  const { count } = values;
  let length = BLOCK_BYTES;
  while (length * 8 < count * BITS_PER_VALUE && length < BYTES_MAX) length *= 2;
  const words = new Uint32Array(length / 4);
  const blocks = length / BLOCK_BYTES;
  for (let number = 0; number < count; number++) {
    hashes[0] = Bun.hash.xxHash64(bytesOf(values, values.startOf(number), values.endOf(number)));
    const block = Math.floor((halves[1]! * blocks) / 0x1_0000_0000) * 8;
    const low = halves[0]! | 0;
    for (let word = 0; word < 8; word++) words[block + word]! |= 1 << (Math.imul(low, SALT[word]!) >>> 27);
  }
  const only = struct({ 1: struct({}) }); // the one algorithm, hash and compression that there are
  const header = encodeThrift({ 1: int32(length), 2: only, 3: only, 4: only });
  const filter = new Uint8Array(header.length + length);
  filter.set(header);
  filter.set(new Uint8Array(words.buffer), header.length);
  return filter;
}

function bytesOf({ bytes }: DistinctValues, start: number, end: number): Uint8Array {
  if (end - start > COPIED_BYTES_MAX) return bytes.subarray(start, end);
  const copy = copies[end - start]!;
  for (let p = start, q = 0; p < end; p++, q++) copy[q] = bytes[p]!;
  return copy;
}
