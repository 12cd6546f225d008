/** One column of one row group as pages: a dictionary where it helps, then the rows, each page compressed: HOT PATH. */

import { bloomFilterOf } from "./bloom-filter.ts";
import { type Bounds, BoundsFinder, boundBytes } from "./bounds.ts";
import { ByteWriter } from "./byte-writer.ts";
import { type ParquetColumn, WIDTHS } from "./column.ts";
import type { DistinctValues } from "./distinct-values.ts";
import { bitWidthOf, writeBits, writeHybrid, writeLevels } from "./hybrid.ts";
import { dataPageHeader, dictionaryPageHeader, ENCODING, type PageEntry, type WrittenColumn } from "./metadata.ts";
import { encodeThrift } from "./thrift.ts";
import type { ValueStore } from "./value-store.ts";

const PAGE_ROWS_MAX = 20_000; // what other writers have: readers skip by pages
const PAGE_BYTES_MAX = 1 << 20; // of values that are written as they are
const ZSTD_LEVEL = 1; // level 3 takes half as much CPU again for some hundredths of the size

const COPIED_BY_WORDS_MAX = 128;

const page = new ByteWriter();

/** Where pages go. */
export interface PageSink {
  /** Where the next byte goes, in the file. */
  readonly offset: number;
  write(bytes: Uint8Array): void;
}

/** Writes the store's rows. Its bloom filter and its indexes are for the caller to write. */
export function writeColumn(store: ValueStore, out: PageSink): WrittenColumn {
  const { column, rows, count, distinct } = store;
  const { type, nullable, hasBloomFilter = false, hasBounds = true } = column;
  const hasDictionary = distinct.isDictionary && type !== "bool" && count > 0;
  const offset = out.offset;
  let bytesUncompressed = hasDictionary ? writeDictionary(store, out) : 0;
  const dataOffset = out.offset;
  const encoding = hasDictionary ? ENCODING.rleDictionary : ENCODING.plain;
  const finder = new BoundsFinder(store);
  const bounds: (Bounds | undefined)[] = [];
  const pages: PageEntry[] = [];
  let value = 0;
  for (let row = 0; row < rows; ) {
    const { rowEnd, valueEnd } = pageEnd(store, row, value, hasDictionary);
    page.clear();
    if (nullable) writeLevels(store.levels, row, rowEnd, valueEnd - value, page);
    writeValues(store, hasDictionary, value, valueEnd);
    const pageOffset = out.offset;
    bytesUncompressed += writePage(page.written(), (sizes) => dataPageHeader(rowEnd - row, encoding, sizes), out);
    const found = hasBounds && valueEnd > value ? finder.of(value, valueEnd) : undefined;
    bounds.push(found);
    pages.push({
      ...{ offset: pageOffset, bytes: out.offset - pageOffset, rowFirst: row, rows: rowEnd - row },
      ...{ nulls: rowEnd - row - (valueEnd - value), ...bytesOf(store, found) },
    });
    row = rowEnd;
    value = valueEnd;
  }
  return {
    ...{ column, rows, offset, dataOffset, hasDictionary, pages },
    ...{ bytesUncompressed, bytesCompressed: out.offset - offset, pagesRise: finder.isRising(bounds) },
    statistics: { nulls: store.nulls, ...bytesOf(store, finder.over(bounds)) },
    bloomFilter: hasBloomFilter && count > 0 ? bloomFilterOf(distinct) : undefined,
  };
}

/** Neither, where one of them is too long. */
function bytesOf(store: ValueStore, bounds: Bounds | undefined) {
  const least = bounds && boundBytes(store, bounds.least);
  const greatest = bounds && boundBytes(store, bounds.greatest);
  return least === undefined || greatest === undefined
    ? { least: undefined, greatest: undefined }
    : { least, greatest };
}

/** The first row that is no longer of the page, and its value. */
function pageEnd(
  { column, rows, levels, numbers, distinct }: ValueStore,
  row: number,
  value: number,
  hasDictionary: boolean,
) {
  const rowLast = Math.min(rows, row + PAGE_ROWS_MAX);
  if (hasDictionary && !column.nullable) return { rowEnd: rowLast, valueEnd: value + rowLast - row };
  let bytes = 0;
  let valueEnd = value;
  let rowEnd = row;
  while (rowEnd < rowLast && bytes < PAGE_BYTES_MAX) {
    const isNull = column.nullable && levels[rowEnd] === 0;
    rowEnd++;
    if (isNull) continue;
    const number = numbers[valueEnd++]!;
    if (!hasDictionary) bytes += distinct.endOf(number) - distinct.startOf(number);
  }
  return { rowEnd, valueEnd };
}

function writeValues(
  { column, numbers, distinct }: ValueStore,
  hasDictionary: boolean,
  first: number,
  end: number,
): void {
  if (hasDictionary) {
    const width = bitWidthOf(distinct.count);
    page.byte(width);
    writeHybrid(numbers, first, end, width, page);
  } else if (column.type === "bool") {
    const flags = new Uint8Array(end - first);
    for (let index = first; index < end; index++) flags[index - first] = distinct.bytes[numbers[index]!]!;
    writeBits(flags, 0, flags.length, page);
  } else for (let index = first; index < end; index++) writeValue(column, distinct, numbers[index]!);
}

/** A value as PLAIN has it: with its length in front where that varies. */
function writeValue({ type, words }: ParquetColumn, distinct: DistinctValues, number: number): void {
  const start = distinct.startOf(number);
  const end = distinct.endOf(number);
  if (type === "words") {
    const word = new TextEncoder().encode(words![distinct.bytes[start]!]);
    page.int32(word.length);
    page.bytes(word);
    return;
  }
  if (WIDTHS[type] === 0) page.int32(end - start);
  copy(distinct, start, end);
}

/** Words at a time where that is faster than a call. */
function copy({ bytes, view }: DistinctValues, start: number, end: number): void {
  page.reserve(end - start);
  if (end - start > COPIED_BY_WORDS_MAX) {
    page.length += bytes.copy(page.buffer, page.length, start, end);
    return;
  }
  const { view: out, buffer } = page;
  let q = page.length;
  let p = start;
  for (const last = end - 4; p <= last; p += 4, q += 4) out.setInt32(q, view.getInt32(p, true), true);
  while (p < end) buffer[q++] = bytes[p++]!;
  page.length = q;
}

function writeDictionary({ column, distinct }: ValueStore, out: PageSink): number {
  page.clear();
  for (let number = 0; number < distinct.count; number++) writeValue(column, distinct, number);
  return writePage(page.written(), (sizes) => dictionaryPageHeader(distinct.count, sizes), out);
}

/** @returns bytes of header and body before compression */
function writePage(
  raw: Uint8Array,
  header: (sizes: { raw: number; compressed: number }) => Parameters<typeof encodeThrift>[0],
  out: PageSink,
): number {
  const compressed = Bun.zstdCompressSync(raw as Uint8Array<ArrayBuffer>, { level: ZSTD_LEVEL });
  const head = encodeThrift(header({ raw: raw.length, compressed: compressed.length }));
  out.write(head);
  out.write(compressed);
  return head.length + raw.length;
}
