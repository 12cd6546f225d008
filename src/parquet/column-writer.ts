/** One column of one row group as pages: a dictionary where it helps, then the rows, each page compressed: HOT PATH. */

import { bloomFilterOf } from "./bloom-filter.ts";
import { type Bounds, BoundsFinder, boundBytes } from "./bounds.ts";
import { ByteWriter } from "./byte-writer.ts";
import { type Dictionary, dictionaryOf } from "./dictionary.ts";
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
  const { column, rows, count } = store;
  const { type, nullable, hasBloomFilter = false, hasBounds = true } = column;
  const dictionary = type === "bool" || count === 0 ? undefined : dictionaryOf(store);
  const offset = out.offset;
  let bytesUncompressed = dictionary === undefined ? 0 : writeDictionary(store, dictionary, out);
  const dataOffset = out.offset;
  const finder = new BoundsFinder(store, dictionary);
  const bounds: (Bounds | undefined)[] = [];
  const pages: PageEntry[] = [];
  let value = 0;
  for (let row = 0; row < rows; ) {
    const { rowEnd, valueEnd } = pageEnd(store, row, value, dictionary !== undefined);
    page.clear();
    if (nullable) writeLevels(store.levels, row, rowEnd, valueEnd - value, page);
    writeValues(store, dictionary, value, valueEnd);
    const pageOffset = out.offset;
    const encoding = dictionary === undefined ? ENCODING.plain : ENCODING.rleDictionary;
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
    ...{ column, rows, offset, dataOffset, hasDictionary: dictionary !== undefined, pages },
    ...{ bytesUncompressed, bytesCompressed: out.offset - offset, pagesRise: finder.isRising(bounds) },
    statistics: { nulls: store.nulls, ...bytesOf(store, finder.over(bounds)) },
    bloomFilter: hasBloomFilter && count > 0 ? bloomFilterOf(store, dictionary) : undefined,
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
function pageEnd(store: ValueStore, row: number, value: number, hasDictionary: boolean) {
  const { column, rows, levels, width } = store;
  const rowLast = Math.min(rows, row + PAGE_ROWS_MAX);
  const isBounded = !hasDictionary && width === 0;
  const bytesLast = store.length === 0 ? 0 : store.startOf(value) + PAGE_BYTES_MAX;
  let valueEnd = value;
  let rowEnd = row;
  for (; rowEnd < rowLast; rowEnd++) {
    if (column.nullable && levels[rowEnd] === 0) continue;
    valueEnd++;
    if (isBounded && store.ends[valueEnd - 1]! >= bytesLast) {
      rowEnd++;
      break;
    }
  }
  return { rowEnd, valueEnd };
}

function writeValues(store: ValueStore, dictionary: Dictionary | undefined, first: number, end: number): void {
  if (dictionary !== undefined) {
    const width = bitWidthOf(dictionary.count);
    page.byte(width);
    writeHybrid(dictionary.indices, first, end, width, page);
  } else if (store.column.type === "bool") writeBits(store.bytes, first, end, page);
  else if (store.width > 0) page.bytes(store.bytes.subarray(first * store.width, end * store.width));
  else for (let index = first; index < end; index++) writeVarying(store, index);
}

/** A value of varying width, with its length in front. */
function writeVarying(store: ValueStore, index: number): void {
  const start = store.startOf(index);
  const end = store.endOf(index);
  page.int32(end - start);
  copy(store, start, end);
}

/** Words at a time where that is faster than a call. */
function copy({ bytes, view }: ValueStore, start: number, end: number): void {
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

function writeDictionary(store: ValueStore, { values, count }: Dictionary, out: PageSink): number {
  const { column, width } = store;
  page.clear();
  for (let number = 0; number < count; number++) {
    const index = values[number]!;
    if (column.type === "words") {
      const word = new TextEncoder().encode(column.words![store.bytes[index]!]);
      page.int32(word.length);
      page.bytes(word);
    } else if (width > 0) copy(store, index * width, (index + 1) * width);
    else writeVarying(store, index);
  }
  return writePage(page.written(), (sizes) => dictionaryPageHeader(count, sizes), out);
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
