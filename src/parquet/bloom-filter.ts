/** Split block bloom filters (Parquet's BloomFilter.md): whether a row group has a value, without reading it. */
import type { Dictionary } from "./dictionary.ts";
import { encodeThrift, int32, struct } from "./thrift.ts";
import type { ValueStore } from "./value-store.ts";

const BLOCK_BYTES = 32;
const BITS_PER_VALUE = 10.5; // one value in a hundred that is not there seems to be
const BYTES_MAX = 1 << 20;
const SALT = [0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31];

/** The filter with its header, over all values of the store. */
export function bloomFilterOf(store: ValueStore, dictionary: Dictionary | undefined): Uint8Array {
  const count = dictionary?.count ?? store.count;
  let length = BLOCK_BYTES;
  while (length * 8 < count * BITS_PER_VALUE && length < BYTES_MAX) length *= 2;
  const words = new Uint32Array(length / 4);
  const blocks = length / BLOCK_BYTES;
  for (let number = 0; number < count; number++) {
    const index = dictionary === undefined ? number : dictionary.values[number]!;
    const hash = Bun.hash.xxHash64(store.bytes.subarray(store.startOf(index), store.endOf(index)));
    const block = Math.floor((Number(hash >> 32n) * blocks) / 0x1_0000_0000) * 8;
    const low = Number(hash & 0xffff_ffffn) | 0;
    for (let word = 0; word < 8; word++) words[block + word]! |= 1 << (Math.imul(low, SALT[word]! | 0) >>> 27);
  }
  const only = struct({ 1: struct({}) }); // the one algorithm, hash and compression that there are
  const header = encodeThrift({ 1: int32(length), 2: only, 3: only, 4: only });
  const filter = new Uint8Array(header.length + length);
  filter.set(header);
  filter.set(new Uint8Array(words.buffer), header.length);
  return filter;
}
