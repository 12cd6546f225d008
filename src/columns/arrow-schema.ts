/** What a batch encoder writes, as Arrow's own schema: types, fields, metadata. */
import {
  Binary,
  Bool,
  type DataType,
  Decimal,
  Dictionary,
  Field,
  Int8,
  Int64,
  Schema,
  TimestampMicrosecond,
  Uint32,
  Utf8,
} from "apache-arrow";
import type { BatchEncoder } from "./batch-encoder.ts";
import type { Column } from "./column.ts";
import { DictionaryColumn } from "./dictionary-column.ts";
import type { ValueType } from "./value-type.ts";

const DECIMAL_DIGITS = 38;
const DECIMAL_BITS = 128;

const TYPES: Readonly<Record<ValueType, () => DataType>> = {
  utf8: () => new Utf8(),
  binary: () => new Binary(),
  bool: () => new Bool(),
  uint32: () => new Uint32(),
  int64: () => new Int64(),
  "timestamp[us, UTC]": () => new TimestampMicrosecond("UTC"),
  "decimal128(38, 0)": () => new Decimal(0, DECIMAL_DIGITS, DECIMAL_BITS),
};

/** The schema of the batches that an encoder writes. */
export function arrowSchema({ columns, metadata }: Pick<BatchEncoder, "columns" | "metadata">): Schema {
  return new Schema(columns.map(fieldOf), new Map(metadata));
}

function fieldOf(column: Column): Field {
  const { name, nullable, description } = column.spec;
  const values = TYPES[column.type]();
  const type = column instanceof DictionaryColumn ? new Dictionary(values, new Int8(), column.id, false) : values;
  return new Field(name, type, nullable, new Map([["description", description]]));
}
