/**
 * The values of one column in one row group, each of them once, numbered as they come: HOT PATH. Values are found by hash
 * in a table of open addressing. Strangers choose them, so the steps of all searches are bounded: beyond that, and where
 * too few values repeat, every further value is kept without a search.
 */

/** A dictionary has its own page, which readers hold in memory. */
const DICTIONARY_BYTES_MAX = 4 << 20;
/** From so many values on, a dictionary has at most this share of them. */
const SAMPLE_VALUES = 4096;
const DISTINCT_SHARE_MAX = 0.75;
const SLOTS_INITIAL = 1 << 12; // always begun with: what helps must not depend on what came before
const GROWTH = 8; // of the slots: all values find their places anew each time
const STEPS_PER_VALUE_MAX = 8; // a table that is half full needs one or two
const BYTES_INITIAL = 1 << 14;
const LONG_BYTES = 256; // from here on a call costs less than the words one by one

/** Memory is used again for the next row group. */
export class DistinctValues {
  /** Values that are kept. */
  count = 0;
  /** Whether each of them is kept once: then they make a dictionary. */
  isDictionary = true;
  bytes = Buffer.allocUnsafeSlow(BYTES_INITIAL);
  view = new DataView(this.bytes.buffer);
  length = 0;
  private ends = new Int32Array(SLOTS_INITIAL);
  private slots = new Int32Array(SLOTS_INITIAL);
  private hashes = new Int32Array(SLOTS_INITIAL);
  private readonly numbersOfBytes = new Int16Array(256);
  private mask = 0;
  private searches = 0;
  private steps = 0;
  private previous = -1;

  constructor() {
    this.clear();
  }

  clear(): void {
    this.count = this.length = this.searches = this.steps = 0;
    this.previous = -1;
    this.isDictionary = true;
    this.mask = SLOTS_INITIAL - 1;
    this.slots.fill(-1, 0, SLOTS_INITIAL);
    this.numbersOfBytes.fill(-1);
  }

  /** Where value `number` begins. */
  startOf(number: number): number {
    return number === 0 ? 0 : this.ends[number - 1]!;
  }

  /** Where value `number` ends. */
  endOf(number: number): number {
    return this.ends[number]!;
  }

  /** The number of a value of one byte. */
  numberOfByte(byte: number): number {
    const number = this.numbersOfBytes[byte]!;
    if (number >= 0) return number;
    this.reserve(1);
    this.bytes[this.length] = byte;
    this.numbersOfBytes[byte] = this.count;
    return this.kept(1);
  }

  /** The number of a value of four bytes. */
  numberOfWord(word: number): number {
    const { previous, view, slots, mask } = this;
    // runs of one value are what dictionaries are best at
    if (previous >= 0 && view.getInt32(previous * 4, true) === word) return previous;
    let slot = -1;
    let hash = 0;
    if (this.isDictionary) {
      this.searches++;
      hash = mixed(Math.imul(word, 0x9e3779b1 | 0));
      slot = hash & mask;
      for (let number = slots[slot]!; number >= 0; number = slots[slot]!) {
        if (view.getInt32(number * 4, true) === word) return this.remembered(number);
        slot = (slot + 1) & mask;
        this.steps++;
      }
    }
    this.reserve(4);
    this.view.setInt32(this.length, word, true);
    return this.remembered(this.added(this.kept(4), hash, slot));
  }

  /** The number of the value that `from` has at [start, end). */
  numberOf(from: Uint8Array, fromView: DataView, start: number, end: number): number {
    const { previous, slots, hashes, mask } = this;
    const isLong = end - start >= LONG_BYTES;
    if (!isLong && previous >= 0 && this.isSame(previous, fromView, start, end)) return previous;
    let slot = -1;
    let hash = 0;
    if (this.isDictionary) {
      this.searches++;
      hash = hashOf(fromView, start, end);
      slot = hash & mask;
      for (let number = slots[slot]!; number >= 0; number = slots[slot]!) {
        if (hashes[number] === hash) {
          const isFound = isLong
            ? this.bytes.compare(from, start, end, this.startOf(number), this.endOf(number)) === 0
            : this.isSame(number, fromView, start, end);
          if (isFound) return this.remembered(number);
        }
        slot = (slot + 1) & mask;
        this.steps++;
      }
    }
    this.keep(from, fromView, start, end);
    return this.remembered(this.added(this.kept(end - start), hash, slot));
  }

  /** Copies bytes behind the values: words at a time where that is faster than a call. */
  private keep(from: Uint8Array, fromView: DataView, start: number, end: number): void {
    this.reserve(end - start);
    const { bytes, view } = this;
    let q = this.length;
    if (end - start >= LONG_BYTES) {
      bytes.set(from.subarray(start, end), q);
      return;
    }
    let p = start;
    for (const last = end - 4; p <= last; p += 4, q += 4) view.setInt32(q, fromView.getInt32(p, true), true);
    while (p < end) bytes[q++] = from[p++]!;
  }

  private remembered(number: number): number {
    this.previous = number;
    return number;
  }

  /** Makes value number `count` of the bytes behind the others. @returns its number */
  private kept(bytes: number): number {
    const number = this.count++;
    if (number >= this.ends.length) {
      this.ends = grown(this.ends);
      this.hashes = grown(this.hashes);
    }
    this.length += bytes;
    this.ends[number] = this.length;
    return number;
  }

  private added(number: number, hash: number, slot: number): number {
    if (!this.isDictionary) return number;
    this.slots[slot] = number;
    this.hashes[number] = hash;
    if (this.isIdle()) this.isDictionary = false;
    else if (this.count * 2 > this.mask) this.enlarge();
    return number;
  }

  /** Whether a dictionary is too large, repeats too little, or takes too long to make. */
  private isIdle(): boolean {
    const { count, length, searches, steps } = this;
    if (length + 4 * count > DICTIONARY_BYTES_MAX || steps > (searches + SAMPLE_VALUES) * STEPS_PER_VALUE_MAX)
      return true;
    return searches > SAMPLE_VALUES && count > searches * DISTINCT_SHARE_MAX;
  }

  private enlarge(): void {
    const length = (this.mask + 1) * GROWTH;
    if (this.slots.length < length) this.slots = new Int32Array(length);
    const { slots, hashes, count } = this;
    slots.fill(-1, 0, length);
    const mask = length - 1;
    for (let number = 0; number < count; number++) {
      let slot = hashes[number]! & mask;
      while (slots[slot]! >= 0) slot = (slot + 1) & mask;
      slots[slot] = number;
    }
    this.mask = mask;
  }

  private isSame(number: number, other: DataView, start: number, end: number): boolean {
    const { view } = this;
    const mine = this.startOf(number);
    const length = end - start;
    if (length !== this.endOf(number) - mine) return false;
    // from the end, where text of one kind differs
    let at = length - 4;
    for (; at >= 0; at -= 4) if (view.getInt32(mine + at, true) !== other.getInt32(start + at, true)) return false;
    for (at += 3; at >= 0; at--) if (view.getUint8(mine + at) !== other.getUint8(start + at)) return false;
    return true;
  }

  private reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}

/** Hash of the length and of all bytes, in four parts that do not wait for each other. */
function hashOf(view: DataView, start: number, end: number): number {
  let a = end - start;
  let b = 0;
  let c = 0;
  let d = 0;
  let at = start;
  for (const last = end - 16; at <= last; at += 16) {
    a = Math.imul(a ^ view.getInt32(at, true), 0x9e3779b1 | 0);
    b = Math.imul(b ^ view.getInt32(at + 4, true), 0x85ebca6b | 0);
    c = Math.imul(c ^ view.getInt32(at + 8, true), 0xc2b2ae35 | 0);
    d = Math.imul(d ^ view.getInt32(at + 12, true), 0x27d4eb2f | 0);
  }
  for (const last = end - 4; at <= last; at += 4) a = Math.imul(a ^ view.getInt32(at, true), 0x9e3779b1 | 0);
  for (; at < end; at++) b = Math.imul(b ^ view.getUint8(at), 0x01000193);
  a = Math.imul(a ^ (b >>> 15) ^ b, 0x9e3779b1 | 0);
  c = Math.imul(c ^ (d >>> 15) ^ d, 0x85ebca6b | 0);
  return mixed(a ^ (a >>> 13) ^ c);
}

function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35 | 0);
  return hash ^ (hash >>> 13);
}
