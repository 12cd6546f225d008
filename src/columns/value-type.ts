/**
 * The Arrow type of a column's values, by the name that docs/columns.md and proto/schemas have for it. Laying columns out
 * takes no more of apache-arrow than these names: decode workers do without that library, which would cost each of
 * them some megabytes. arrow-schema.ts has the types themselves.
 */
export type ValueType =
  | "utf8"
  | "binary"
  | "bool"
  | "uint32"
  | "int64"
  | "timestamp[us, UTC]"
  /** Signed, with as many digits as 128 bits have room for. */
  | "decimal128(38, 0)";
