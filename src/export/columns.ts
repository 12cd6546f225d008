/** The columns of an export, as Parquet has them. */
import type { Data, RecordBatch } from "apache-arrow";
import { BatchEncoder } from "../columns/batch-encoder.ts";
import { DictionaryColumn } from "../columns/dictionary-column.ts";
import type { ValueType } from "../columns/value-type.ts";
import type { ColumnSlice, ParquetColumn, ParquetType } from "../parquet/column.ts";
import type { Dataset } from "../vocabulary/dataset.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";

/** What is looked for one by one, among many. */
const BLOOM_FILTERS = ["contract_id", "ledger_key_hash", "balance_holder", "transaction_hash"];
/** Nobody looks for the least of them, and of hashes every row group has nearly the least and the greatest. */
const WITHOUT_BOUNDS = ["ledger_key_hash", "transaction_hash", "key_xdr", "val_xdr", "key_json", "val_json"];

/** The schema version that an export's rows have. */
export const EXPORT_VERSIONS = { contract_data: 2, ttl: 1 } as const satisfies Record<Dataset, SchemaVersion>;

const PARQUET_TYPES: Readonly<Partial<Record<ValueType, ParquetType>>> = {
  utf8: "utf8",
  binary: "binary",
  bool: "bool",
  uint32: "uint32",
  "timestamp[us, UTC]": "timestamp",
  "decimal128(38, 0)": "decimal",
};

/** All columns of that version, in its order. */
export const EXPORT_COLUMNS: Readonly<Record<Dataset, readonly ParquetColumn[]>> = {
  contract_data: columnsOf("contract_data"),
  ttl: columnsOf("ttl"),
};

function columnsOf(dataset: Dataset): ParquetColumn[] {
  const encoder = new BatchEncoder({ dataset, schemaVersion: EXPORT_VERSIONS[dataset], networkPassphrase: "" });
  return encoder.columns.map((column) => {
    const { name, nullable } = column.spec;
    const words = column instanceof DictionaryColumn ? column.words : undefined;
    const type = words === undefined ? parquetType(column.type) : "words";
    return {
      ...{ name, type, nullable, words },
      hasBloomFilter: BLOOM_FILTERS.includes(name),
      hasBounds: !WITHOUT_BOUNDS.includes(name),
    };
  });
}

function parquetType(type: ValueType): ParquetType {
  const found = PARQUET_TYPES[type];
  if (found === undefined) throw new TypeError(`no Parquet type for ${type}`);
  return found;
}

/**
 * The buffers of a batch, for each of the columns.
 * @throws Error naming a column that is not there: the stream is of another dataset or schema version
 */
export function slicesOf(batch: RecordBatch, columns: readonly ParquetColumn[]): ColumnSlice[] {
  return columns.map(({ name }) => {
    const data = batch.getChild(name)?.data[0];
    if (data === undefined) throw new Error(`the stream has no column ${name}, which an export needs`);
    return sliceOf(data, name);
  });
}

function sliceOf({ values, valueOffsets, nullBitmap, nullCount, offset }: Data, name: string): ColumnSlice {
  if (offset !== 0) throw new Error(`column ${name} begins at row ${offset} of its buffers`);
  return {
    nulls: nullCount,
    validity: nullCount > 0 ? nullBitmap : undefined,
    offsets: valueOffsets as Int32Array | undefined,
    values: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}
