/**
 * The distinct values of a column in one row group, numbered as they come: HOT PATH. Values are found by hash in a table
 * of open addressing. Strangers choose them, so the steps of all searches are bounded: beyond that there is no dictionary.
 */
import type { ValueStore } from "./value-store.ts";

/** A dictionary has its own page, which readers hold in memory. */
const DICTIONARY_BYTES_MAX = 4 << 20;
/** From so many values on, more distinct ones than this share of them are written as they are. */
const SAMPLE_VALUES = 4096;
const DISTINCT_SHARE_MAX = 0.75;
const SLOTS_INITIAL = 1 << 12; // always begun with: what helps must not depend on what came before
const STEPS_PER_VALUE_MAX = 8; // a table that is half full needs one or two
const HASHED_WORDS_MAX = 64; // 256 bytes, and so many that are spread over longer values

/** Values by number, and for each value of the store its number. Both are overwritten by the next dictionary. */
export interface Dictionary {
  /** Per distinct value: which value of the store was the first such. */
  values: Int32Array;
  count: number;
  /** Per value of the store. */
  indices: Int32Array;
}

let indices = new Int32Array(0);
let slots = new Int32Array(SLOTS_INITIAL);
let values = new Int32Array(SLOTS_INITIAL);
let hashes = new Int32Array(SLOTS_INITIAL);

/** Undefined where a dictionary does not help. Depends on the values alone. */
export function dictionaryOf(store: ValueStore): Dictionary | undefined {
  if (indices.length < store.count) indices = new Int32Array(store.count * 2);
  if (store.width === 1) return dictionaryOfBytes(store);
  slots.fill(-1, 0, SLOTS_INITIAL);
  return store.width === 4 ? dictionaryOfWords(store) : dictionaryOfValues(store);
}

/** Values of a byte each, such as the numbers of words. */
function dictionaryOfBytes({ count, bytes }: ValueStore): Dictionary {
  const numbers = new Int16Array(256).fill(-1);
  let distinct = 0;
  for (let index = 0; index < count; index++) {
    const byte = bytes[index]!;
    if (numbers[byte]! < 0) {
      values[distinct] = index;
      numbers[byte] = distinct++;
    }
    indices[index] = numbers[byte]!;
  }
  return { values, count: distinct, indices };
}

/** Values of four bytes each. */
function dictionaryOfWords({ count, bytes }: ValueStore): Dictionary | undefined {
  const words = new Int32Array(bytes.buffer, 0, count);
  let mask = SLOTS_INITIAL - 1;
  let distinct = 0;
  let number = -1;
  let steps = 0;
  for (let index = 0; index < count; index++) {
    const word = words[index]!;
    // runs of one value are what dictionaries are best at
    if (index > 0 && word === words[index - 1]) {
      indices[index] = number;
      continue;
    }
    const hash = mixed(Math.imul(word, 0x9e3779b1 | 0));
    let slot = hash & mask;
    for (number = slots[slot]!; number >= 0 && words[values[number]!] !== word; number = slots[slot]!) {
      slot = (slot + 1) & mask;
      steps++;
    }
    if (number < 0) {
      number = distinct++;
      slots[slot] = number;
      values[number] = index;
      hashes[number] = hash;
      if (isIdle(distinct, index, distinct * 4, steps)) return undefined;
      if (distinct * 2 > mask) mask = enlarge(distinct, mask);
    }
    indices[index] = number;
  }
  return { values, count: distinct, indices };
}

function dictionaryOfValues({ count, bytes, view, width, ends }: ValueStore): Dictionary | undefined {
  let mask = SLOTS_INITIAL - 1;
  let distinct = 0;
  let size = 0;
  let start = 0;
  let previous = 0; // where the value before begins
  let number = -1;
  let steps = 0;
  for (let index = 0; index < count; index++) {
    const end = width > 0 ? start + width : ends[index]!;
    if (index > 0 && isSame(bytes, view, previous, start, start, end)) {
      indices[index] = number;
      previous = start;
      start = end;
      continue;
    }
    const hash = hashOf(bytes, view, start, end);
    let slot = hash & mask;
    for (number = slots[slot]!; number >= 0; number = slots[slot]!) {
      if (hashes[number] === hash) {
        const first = values[number]!;
        const from = width > 0 ? first * width : first === 0 ? 0 : ends[first - 1]!;
        if (isSame(bytes, view, from, width > 0 ? from + width : ends[first]!, start, end)) break;
      }
      slot = (slot + 1) & mask;
      steps++;
    }
    if (number < 0) {
      number = distinct++;
      slots[slot] = number;
      values[number] = index;
      hashes[number] = hash;
      size += end - start + 4;
      if (isIdle(distinct, index, size, steps)) return undefined;
      if (distinct * 2 > mask) mask = enlarge(distinct, mask);
    }
    indices[index] = number;
    previous = start;
    start = end;
  }
  return { values, count: distinct, indices };
}

/** Whether a dictionary is too large, repeats too little, or takes too long to make. */
function isIdle(distinct: number, index: number, size: number, steps: number): boolean {
  if (size > DICTIONARY_BYTES_MAX || steps > (index + SAMPLE_VALUES) * STEPS_PER_VALUE_MAX) return true;
  return index >= SAMPLE_VALUES && distinct > index * DISTINCT_SHARE_MAX;
}

/** Four times as many slots. @returns their mask */
function enlarge(distinct: number, before: number): number {
  const length = (before + 1) * 4;
  if (slots.length < length) {
    slots = new Int32Array(length);
    values = grown(values, length);
    hashes = grown(hashes, length);
  }
  slots.fill(-1, 0, length);
  const mask = length - 1;
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

/** Hash of the length and of words that are spread over the bytes, the first and the last one among them. */
function hashOf(bytes: Uint8Array, view: DataView, start: number, end: number): number {
  const length = end - start;
  let hash = length;
  if (length < 4) for (let p = start; p < end; p++) hash = Math.imul(hash ^ bytes[p]!, 0x01000193);
  else {
    const words = length >> 2;
    const step = words > HASHED_WORDS_MAX ? Math.floor(words / HASHED_WORDS_MAX) * 4 : 4;
    for (let p = end - 4; p >= start; p -= step) hash = Math.imul(hash ^ view.getInt32(p, true), 0x9e3779b1 | 0);
    hash = Math.imul(hash ^ view.getInt32(start, true), 0x85ebca6b | 0);
  }
  return mixed(hash);
}

function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35 | 0);
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
