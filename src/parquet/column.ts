/** What a column of a Parquet file is: its type, and how its values come and are kept. */

/**
 * Types of values, by the Arrow type that they come from: `words` is utf8 in a dictionary of int8 that is given, `decimal` is
 * decimal128(38, 0), `timestamp` is of microseconds in UTC.
 */
export type ParquetType = "utf8" | "binary" | "words" | "uint32" | "bool" | "timestamp" | "decimal";

/** A column as the writer is told of it. */
export interface ParquetColumn {
  name: string;
  type: ParquetType;
  nullable: boolean;
  /** The dictionary of `words`. */
  words?: readonly string[];
  /** Whether row groups have a bloom filter of its values: where they are many, and looked for one by one. */
  hasBloomFilter?: boolean;
  /** False: no least and greatest value is written, since none helps a reader. Default true. */
  hasBounds?: boolean;
}

/** The rows of a column in one Arrow record batch: its buffers as they are, with offset 0. */
export interface ColumnSlice {
  nulls: number;
  /** Arrow's validity bitmap; absent where nothing is null. */
  validity: Uint8Array | undefined;
  /** Only utf8 and binary have them; a null has no bytes. */
  offsets: Int32Array | undefined;
  /** Bytes of the values; bits of bool; int8 indices of words. */
  values: Uint8Array;
}

/** Bytes of a value in the store of a row group; 0: they vary. Flags are a byte each there. */
export const WIDTHS: Readonly<Record<ParquetType, number>> = {
  utf8: 0,
  binary: 0,
  words: 1,
  uint32: 4,
  bool: 1,
  timestamp: 8,
  decimal: 16,
};
