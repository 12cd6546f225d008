/** The least and the greatest value of pages and row groups, in the order that Parquet has for each type: HOT PATH. */
import type { ParquetColumn } from "./column.ts";
import type { DistinctValues } from "./distinct-values.ts";
import type { ValueStore } from "./value-store.ts";

const BOUND_BYTES_MAX = 256; // longer ones cost more than they help: then there are none

/** Numbers of distinct values. */
export interface Bounds {
  least: number;
  greatest: number;
}

/** Negative, 0 or positive, as value number `a` comes before value `b`, with it or behind it. */
type Compare = (values: DistinctValues, a: number, b: number) => number;

function comparatorOf(column: ParquetColumn): Compare {
  switch (column.type) {
    case "utf8":
    case "binary":
      return compareBytes;
    case "words": {
      const sorted = [...column.words!].sort();
      const rank = column.words!.map((word) => sorted.indexOf(word));
      return (values, a, b) => rank[values.bytes[a]!]! - rank[values.bytes[b]!]!;
    }
    case "uint32":
      return (values, a, b) => values.view.getUint32(a * 4, true) - values.view.getUint32(b * 4, true);
    case "bool":
      return (values, a, b) => values.bytes[a]! - values.bytes[b]!;
    case "timestamp":
      return (values, a, b) =>
        values.view.getInt32(a * 8 + 4, true) - values.view.getInt32(b * 8 + 4, true) ||
        values.view.getUint32(a * 8, true) - values.view.getUint32(b * 8, true);
    case "decimal":
      return compareDecimals;
  }
}

function compareBytes(values: DistinctValues, a: number, b: number): number {
  const { bytes } = values;
  let p = values.startOf(a);
  let q = values.startOf(b);
  const pEnd = values.endOf(a);
  const qEnd = values.endOf(b);
  while (p < pEnd && q < qEnd) {
    const difference = bytes[p++]! - bytes[q++]!;
    if (difference !== 0) return difference;
  }
  return pEnd - p - (qEnd - q);
}

function compareDecimals({ view }: DistinctValues, a: number, b: number): number {
  let difference = view.getInt32(a * 16) - view.getInt32(b * 16);
  for (let word = 4; difference === 0 && word < 16; word += 4) {
    difference = view.getUint32(a * 16 + word) - view.getUint32(b * 16 + word);
  }
  return difference;
}

/** Finds bounds of the pages of one column in one row group. */
export class BoundsFinder {
  private readonly compare: Compare;
  /** Per distinct value: the last page that had it. */
  private readonly seen: Int32Array;
  private page = 0;

  constructor(private readonly store: ValueStore) {
    this.compare = comparatorOf(store.column);
    this.seen = new Int32Array(store.distinct.count);
  }

  /** Bounds of the values [first, end), one at least. */
  of(first: number, end: number): Bounds {
    const { seen, compare } = this;
    const { numbers, distinct } = this.store;
    let least = numbers[first]!;
    let greatest = least;
    this.page += 1;
    for (let index = first; index < end; index++) {
      const number = numbers[index]!;
      if (seen[number] === this.page) continue;
      seen[number] = this.page;
      if (compare(distinct, number, least) < 0) least = number;
      else if (compare(distinct, number, greatest) > 0) greatest = number;
    }
    return { least, greatest };
  }

  /** The bounds of all pages. Undefined where none of them has a value. */
  over(pages: readonly (Bounds | undefined)[]): Bounds | undefined {
    const { compare } = this;
    const { distinct } = this.store;
    let all: Bounds | undefined;
    for (const page of pages) {
      if (page === undefined) continue;
      all ??= { ...page };
      if (compare(distinct, page.least, all.least) < 0) all.least = page.least;
      if (compare(distinct, page.greatest, all.greatest) > 0) all.greatest = page.greatest;
    }
    return all;
  }

  /** Whether each page's bounds are at or behind those of the page before. */
  isRising(pages: readonly (Bounds | undefined)[]): boolean {
    const there = pages.filter((page) => page !== undefined);
    return there.every((page, index) => {
      const before = there[index - 1];
      if (before === undefined) return true;
      const { compare } = this;
      const { distinct } = this.store;
      return compare(distinct, before.least, page.least) <= 0 && compare(distinct, before.greatest, page.greatest) <= 0;
    });
  }
}

/** A value as statistics have it; undefined where it is too long. */
export function boundBytes({ column, distinct }: ValueStore, number: number): Uint8Array | undefined {
  if (column.type === "words") return new TextEncoder().encode(column.words![distinct.bytes[number]!]);
  const [start, end] = [distinct.startOf(number), distinct.endOf(number)];
  return end - start > BOUND_BYTES_MAX ? undefined : new Uint8Array(distinct.bytes.subarray(start, end));
}
