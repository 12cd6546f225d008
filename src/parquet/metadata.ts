/** The structs of parquet.thrift that a file has, made of what the writer knows. */
import type { ParquetColumn, ParquetType } from "./column.ts";
import { binary, flag, int8, int32, int64, list, struct, type Thrift, type ThriftFields } from "./thrift.ts";

/** Encodings of values and levels. */
export const ENCODING = { plain: 0, rle: 3, rleDictionary: 8 } as const;
const CODEC_ZSTD = 6;
const PAGE = { data: 0, dictionary: 2 } as const;
const FILE_VERSION = 2;
const BOUNDARY_ORDER = { unordered: 0, rising: 1 } as const;
const OPTIONAL = 1;

/** Physical type, its length where it has one, and what it stands for, in the older and the newer form. */
interface TypeFields {
  physical: number;
  length?: number;
  converted?: number;
  logical?: Thrift;
  scale?: number;
  precision?: number;
}

const TEXT: TypeFields = { physical: 6, converted: 0, logical: struct({ 1: struct({}) }) };
const PRECISION = 38;
const TYPES: Readonly<Record<ParquetType, TypeFields>> = {
  utf8: TEXT,
  words: TEXT,
  binary: { physical: 6 },
  uint32: { physical: 1, converted: 13, logical: struct({ 10: struct({ 1: int8(32), 2: flag(false) }) }) },
  bool: { physical: 0 },
  timestamp: {
    physical: 2,
    converted: 10,
    logical: struct({ 8: struct({ 1: flag(true), 2: struct({ 2: struct({}) }) }) }),
  },
  decimal: {
    ...{ physical: 7, length: 16, converted: 5, scale: 0, precision: PRECISION },
    logical: struct({ 5: struct({ 1: int32(0), 2: int32(PRECISION) }) }),
  },
};

/** Counts and bounds of a page or of a column in a row group. */
interface Statistics {
  nulls: number;
  least: Uint8Array | undefined;
  greatest: Uint8Array | undefined;
}

/** A data page, as the indexes of pages have it. */
export interface PageEntry extends Statistics {
  /** In the file. */
  offset: number;
  /** With its header. */
  bytes: number;
  /** Number of its first row in the row group. */
  rowFirst: number;
  rows: number;
}

/** A column in one row group, written. */
export interface WrittenColumn {
  column: ParquetColumn;
  rows: number;
  /** Where its first page begins. */
  offset: number;
  dataOffset: number;
  hasDictionary: boolean;
  bytesUncompressed: number;
  bytesCompressed: number;
  statistics: Statistics;
  pages: readonly PageEntry[];
  pagesRise: boolean;
  bloomFilter: Uint8Array | undefined;
  /** Where filter and indexes went, once they are written. */
  bloomOffset?: number;
  columnIndex?: { offset: number; bytes: number };
  offsetIndex?: { offset: number; bytes: number };
}

/** A row group, written. */
export interface WrittenGroup {
  rows: number;
  columns: readonly WrittenColumn[];
}

/** Sizes of a page's body, before and after compression. */
interface PageSizes {
  raw: number;
  compressed: number;
}

/** PageHeader of a dictionary. */
export function dictionaryPageHeader(values: number, { raw, compressed }: PageSizes): ThriftFields {
  const header = struct({ 1: int32(values), 2: int32(ENCODING.plain) });
  return { 1: int32(PAGE.dictionary), 2: int32(raw), 3: int32(compressed), 7: header };
}

/** PageHeader of rows. */
export function dataPageHeader(rows: number, encoding: number, { raw, compressed }: PageSizes): ThriftFields {
  const levels = int32(ENCODING.rle);
  const header = struct({ 1: int32(rows), 2: int32(encoding), 3: levels, 4: levels });
  return { 1: int32(PAGE.data), 2: int32(raw), 3: int32(compressed), 5: header };
}

/** ColumnIndex: the bounds of each page; undefined where a page has none though it has values. */
export function columnIndex({ pages, pagesRise }: WrittenColumn): ThriftFields | undefined {
  const isKnown = pages.every(({ nulls, rows, least }) => nulls === rows || least !== undefined);
  if (!isKnown || pages.every(({ least }) => least === undefined)) return undefined;
  const none = new Uint8Array(0);
  return {
    1: list(pages.map(({ nulls, rows }) => flag(nulls === rows))),
    2: list(pages.map(({ least }) => binary(least ?? none))),
    3: list(pages.map(({ greatest }) => binary(greatest ?? none))),
    4: int32(pagesRise ? BOUNDARY_ORDER.rising : BOUNDARY_ORDER.unordered),
    5: list(pages.map(({ nulls }) => int64(nulls))),
  };
}

/** OffsetIndex: where each page lies. */
export function offsetIndex({ pages }: WrittenColumn): ThriftFields {
  return {
    1: list(
      pages.map(({ offset, bytes, rowFirst }) => struct({ 1: int64(offset), 2: int32(bytes), 3: int64(rowFirst) })),
    ),
  };
}

/** FileMetaData, which ends a file. */
export function fileMetadata(
  columns: readonly ParquetColumn[],
  groups: readonly WrittenGroup[],
  keyValues: Readonly<Record<string, string>>,
  createdBy: string,
): ThriftFields {
  const root = struct({ 4: binary("schema"), 5: int32(columns.length) });
  const pairs = Object.entries(keyValues).map(([key, value]) => struct({ 1: binary(key), 2: binary(value) }));
  return {
    1: int32(FILE_VERSION),
    2: list([root, ...columns.map(schemaElement)]),
    3: int64(groups.reduce((rows, group) => rows + group.rows, 0)),
    4: list(groups.map(rowGroup)),
    5: list(pairs),
    6: binary(createdBy),
    7: list(columns.map(() => struct({ 1: struct({}) }))), // each type's own order
  };
}

function schemaElement({ name, type, nullable }: ParquetColumn): Thrift {
  const { physical, length, converted, logical, scale, precision } = TYPES[type];
  return struct({
    1: int32(physical),
    2: optional(length),
    3: int32(nullable ? OPTIONAL : 0),
    4: binary(name),
    6: optional(converted),
    7: optional(scale),
    8: optional(precision),
    10: logical,
  });
}

function rowGroup({ rows, columns }: WrittenGroup): Thrift {
  const sum = (of: (column: WrittenColumn) => number) => columns.reduce((total, column) => total + of(column), 0);
  return struct({
    1: list(columns.map(columnChunk)),
    2: int64(sum(({ bytesUncompressed }) => bytesUncompressed)),
    3: int64(rows),
    5: int64(columns[0]!.offset),
    6: int64(sum(({ bytesCompressed }) => bytesCompressed)),
  });
}

function columnChunk(written: WrittenColumn): Thrift {
  const { columnIndex, offsetIndex } = written;
  return struct({
    2: int64(0), // no longer used; readers ask for it
    3: struct(columnMetadata(written)),
    4: offsetIndex && int64(offsetIndex.offset),
    5: offsetIndex && int32(offsetIndex.bytes),
    6: columnIndex && int64(columnIndex.offset),
    7: columnIndex && int32(columnIndex.bytes),
  });
}

function columnMetadata(written: WrittenColumn): ThriftFields {
  const { column, hasDictionary, statistics, pages, bloomFilter, bloomOffset } = written;
  const encoding = hasDictionary ? ENCODING.rleDictionary : ENCODING.plain;
  const encodings = [ENCODING.rle, ...(hasDictionary ? [ENCODING.plain] : []), encoding];
  const stats = (page: number, encoding: number, count: number) =>
    struct({ 1: int32(page), 2: int32(encoding), 3: int32(count) });
  return {
    1: int32(TYPES[column.type].physical),
    2: list(encodings.map(int32)),
    3: list([binary(column.name)]),
    4: int32(CODEC_ZSTD),
    5: int64(written.rows),
    6: int64(written.bytesUncompressed),
    7: int64(written.bytesCompressed),
    9: int64(written.dataOffset),
    11: hasDictionary ? int64(written.offset) : undefined,
    12: struct(statisticsFields(statistics)),
    13: list([
      ...(hasDictionary ? [stats(PAGE.dictionary, ENCODING.plain, 1)] : []),
      stats(PAGE.data, encoding, pages.length),
    ]),
    14: bloomOffset === undefined ? undefined : int64(bloomOffset),
    15: bloomOffset === undefined ? undefined : int32(bloomFilter!.length),
  };
}

function statisticsFields({ nulls, least, greatest }: Statistics): ThriftFields {
  return { 3: int64(nulls), 5: greatest && binary(greatest), 6: least && binary(least) };
}

function optional(value: number | undefined): Thrift | undefined {
  return value === undefined ? undefined : int32(value);
}
