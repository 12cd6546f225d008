/** The least and the greatest value of pages and row groups, in the order that Parquet has for each type: HOT PATH. */
import type { Dictionary } from "./dictionary.ts";
import type { ValueStore } from "./value-store.ts";

const BOUND_BYTES_MAX = 256; // longer ones cost more than they help: then there are none

/** Numbers of values in the store. */
export interface Bounds {
  least: number;
  greatest: number;
}

/** Negative, 0 or positive, as value `a` of the store comes before value `b`, with it or behind it. */
type Compare = (store: ValueStore, a: number, b: number) => number;

/** Compares the values of a store. */
function comparatorOf({ column }: ValueStore): Compare {
  switch (column.type) {
    case "utf8":
    case "binary":
      return compareBytes;
    case "words": {
      const sorted = [...column.words!].sort();
      const rank = column.words!.map((word) => sorted.indexOf(word));
      return (store, a, b) => rank[store.bytes[a]!]! - rank[store.bytes[b]!]!;
    }
    case "uint32":
      return (store, a, b) => store.view.getUint32(a * 4, true) - store.view.getUint32(b * 4, true);
    case "bool":
      return (store, a, b) => store.bytes[a]! - store.bytes[b]!;
    case "timestamp":
      return (store, a, b) =>
        store.view.getInt32(a * 8 + 4, true) - store.view.getInt32(b * 8 + 4, true) ||
        store.view.getUint32(a * 8, true) - store.view.getUint32(b * 8, true);
    case "decimal":
      return compareDecimals;
  }
}

function compareBytes(store: ValueStore, a: number, b: number): number {
  const { bytes } = store;
  let p = store.startOf(a);
  let q = store.startOf(b);
  const pEnd = store.endOf(a);
  const qEnd = store.endOf(b);
  while (p < pEnd && q < qEnd) {
    const difference = bytes[p++]! - bytes[q++]!;
    if (difference !== 0) return difference;
  }
  return pEnd - p - (qEnd - q);
}

function compareDecimals({ view }: ValueStore, a: number, b: number): number {
  let difference = view.getInt32(a * 16) - view.getInt32(b * 16);
  for (let word = 4; difference === 0 && word < 16; word += 4) {
    difference = view.getUint32(a * 16 + word) - view.getUint32(b * 16 + word);
  }
  return difference;
}

/** Finds bounds of the pages of one column in one row group. */
export class BoundsFinder {
  private readonly compare: Compare;
  /** Per number of the dictionary: the last page that had it. */
  private readonly seen: Int32Array | undefined;
  private page = 0;

  constructor(
    private readonly store: ValueStore,
    private readonly dictionary: Dictionary | undefined,
  ) {
    this.compare = comparatorOf(store);
    this.seen = dictionary && new Int32Array(dictionary.count);
  }

  /** Bounds of the values [first, end), one at least. */
  of(first: number, end: number): Bounds {
    const { store, dictionary, seen, compare } = this;
    let least = first;
    let greatest = first;
    this.page += 1;
    for (let index = first; index < end; index++) {
      if (seen !== undefined) {
        const number = dictionary!.indices[index]!;
        if (seen[number] === this.page) continue;
        seen[number] = this.page;
      }
      if (compare(store, index, least) < 0) least = index;
      else if (compare(store, index, greatest) > 0) greatest = index;
    }
    return { least, greatest };
  }

  /** The bounds of all pages. Undefined where none of them has a value. */
  over(pages: readonly (Bounds | undefined)[]): Bounds | undefined {
    let all: Bounds | undefined;
    for (const page of pages) {
      if (page === undefined) continue;
      all ??= { ...page };
      if (this.compare(this.store, page.least, all.least) < 0) all.least = page.least;
      if (this.compare(this.store, page.greatest, all.greatest) > 0) all.greatest = page.greatest;
    }
    return all;
  }

  /** Whether each page's bounds are at or behind those of the page before. */
  isRising(pages: readonly (Bounds | undefined)[]): boolean {
    const there = pages.filter((page) => page !== undefined);
    return there.every((page, index) => {
      const before = there[index - 1];
      if (before === undefined) return true;
      const { store, compare } = this;
      return compare(store, before.least, page.least) <= 0 && compare(store, before.greatest, page.greatest) <= 0;
    });
  }
}

/** A value as statistics have it; undefined where it is too long. */
export function boundBytes(store: ValueStore, index: number): Uint8Array | undefined {
  if (store.column.type === "words") return new TextEncoder().encode(store.column.words![store.bytes[index]!]);
  const [start, end] = [store.startOf(index), store.endOf(index)];
  return end - start > BOUND_BYTES_MAX ? undefined : new Uint8Array(store.bytes.subarray(start, end));
}
