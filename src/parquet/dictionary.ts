/** The distinct values of a column in one row group, numbered as they come: HOT PATH. */
import type { ValueStore } from "./value-store.ts";

/** A dictionary has its own page, which readers hold in memory. */
const DICTIONARY_BYTES_MAX = 4 << 20;
/** From so many values on, more distinct ones than this share of them are written as they are. */
const SAMPLE_VALUES = 4096;
const DISTINCT_SHARE_MAX = 0.75;
const SLOTS_INITIAL = 1 << 12;
const HASHED_WORDS_MAX = 12; // long values are told apart by what lies between; equality is by every byte

/** Values by number, and for each value of the store its number. */
export interface Dictionary {
  /** Per distinct value: which value of the store was the first such. */
  values: Int32Array;
  count: number;
  /** Per value of the store. A view that the next dictionary overwrites. */
  indices: Int32Array;
}

let indices = new Int32Array(0);
let slots = new Int32Array(SLOTS_INITIAL);
let values = new Int32Array(SLOTS_INITIAL);
let hashes = new Int32Array(SLOTS_INITIAL);

/** Undefined where a dictionary does not help. Depends on the values alone. */
export function dictionaryOf(store: ValueStore): Dictionary | undefined {
  const { count, bytes, view, width, ends } = store;
  if (indices.length < count) indices = new Int32Array(count * 2);
  const numbers = indices;
  slots.fill(-1);
  let mask = slots.length - 1;
  let distinct = 0;
  let size = 0;
  let start = 0;
  let previousStart = 0;
  let previousEnd = -1;
  let number = 0;
  for (let index = 0; index < count; index++) {
    const end = width > 0 ? start + width : ends[index]!;
    // runs of one value are what dictionaries are best at
    if (previousEnd >= 0 && isSame(bytes, view, previousStart, previousEnd, start, end)) {
      numbers[index] = number;
      start = end;
      continue;
    }
    previousStart = start;
    previousEnd = end;
    const hash = hashOf(bytes, view, start, end);
    let slot = hash & mask;
    for (number = slots[slot]!; number >= 0; number = slots[slot]!) {
      if (hashes[number] === hash) {
        const first = values[number]!;
        const from = width > 0 ? first * width : first === 0 ? 0 : ends[first - 1]!;
        if (isSame(bytes, view, from, width > 0 ? from + width : ends[first]!, start, end)) break;
      }
      slot = (slot + 1) & mask;
    }
    if (number < 0) {
      number = distinct++;
      slots[slot] = number;
      values[number] = index;
      hashes[number] = hash;
      size += end - start + 4;
      if (size > DICTIONARY_BYTES_MAX) return undefined;
      if (index >= SAMPLE_VALUES && distinct > index * DISTINCT_SHARE_MAX) return undefined;
      if (distinct * 2 > slots.length) mask = enlarge(distinct);
    }
    numbers[index] = number;
    start = end;
  }
  return { values, count: distinct, indices: numbers };
}

function enlarge(distinct: number): number {
  slots = new Int32Array(slots.length * 4).fill(-1);
  const mask = slots.length - 1;
  values = grown(values, slots.length);
  hashes = grown(hashes, slots.length);
  for (let number = 0; number < distinct; number++) {
    let slot = hashes[number]! & mask;
    while (slots[slot]! >= 0) slot = (slot + 1) & mask;
    slots[slot] = number;
  }
  return mask;
}

function grown(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length);
  larger.set(array);
  return larger;
}

/** Hash of the length and of words that are spread over the bytes, the last one among them. */
function hashOf(bytes: Uint8Array, view: DataView, start: number, end: number): number {
  const length = end - start;
  let hash = length;
  if (length < 4) for (let p = start; p < end; p++) hash = Math.imul(hash ^ bytes[p]!, 0x01000193);
  else {
    const words = (length - 1) >> 2; // beside the last
    const step = words > HASHED_WORDS_MAX ? Math.floor(words / HASHED_WORDS_MAX) * 4 : 4;
    for (let p = end - 4; p >= start; p -= step)
      hash = Math.imul(hash ^ view.getInt32(p, true), 0x9e3779b1 | 0) ^ (hash >>> 15);
    hash = Math.imul(hash ^ view.getInt32(start, true), 0x85ebca6b | 0);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0xc2b2ae35 | 0);
  return hash ^ (hash >>> 13);
}

function isSame(bytes: Uint8Array, view: DataView, p: number, pEnd: number, q: number, qEnd: number): boolean {
  const length = pEnd - p;
  if (length !== qEnd - q) return false;
  // from the end, where text of one kind differs
  let at = length - 4;
  for (; at >= 0; at -= 4) if (view.getInt32(p + at, true) !== view.getInt32(q + at, true)) return false;
  for (at += 3; at >= 0; at--) if (bytes[p + at] !== bytes[q + at]) return false;
  return true;
}
