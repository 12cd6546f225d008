/** Cells of a received Arrow table in the forms that our commands print. */
import { Decimal, type Table, type Vector } from "apache-arrow";
import { BatchEncoder } from "../columns/batch-encoder.ts";
import { timeText } from "../columns/fixed-columns.ts";

/** Columns of any schema version whose text is JSON. */
const JSON_COLUMNS = new Set(
  new BatchEncoder({ schemaVersion: 2, networkPassphrase: "" }).columns
    .filter((column) => column.isJson)
    .map((column) => column.spec.name),
);

/** Reads cells of one table by row and column name. */
export class ArrowCells {
  private readonly vectors = new Map<string, Vector>();

  readonly columns: readonly string[];

  constructor(table: Table) {
    this.columns = table.schema.fields.map((field) => field.name);
    for (const name of this.columns) this.vectors.set(name, table.getChild(name)!);
  }

  /** As Arrow has it, but for times, which are ISO text, 64-bit integers and decimals, which are text, and bytes, base64. */
  value(row: number, column: string): unknown {
    const vector = this.vectors.get(column);
    const value: unknown = vector?.get(row) ?? null;
    if (value === null) return null;
    if (column === "closed_at") return timeText(Number(value));
    if (vector?.type instanceof Decimal) return decimalText(value as Uint32Array);
    if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
    return typeof value === "bigint" ? value.toString() : value;
  }

  /** One row as a JSON object in the table's column order, in the form of toNdjson (columns/text.ts). */
  json(row: number): string {
    const members = this.columns.map((name) => {
      const value = this.value(row, name);
      const text = JSON_COLUMNS.has(name) && value !== null ? value : JSON.stringify(value);
      return `${JSON.stringify(name)}:${text}`;
    });
    return `{${members.join(",")}}`;
  }
}

/** A whole number of 128 bits, in little-endian words. */
function decimalText(words: Uint32Array): string {
  return BigInt.asIntN(
    128,
    words.reduce((sum, word, index) => sum | (BigInt(word) << BigInt(32 * index)), 0n),
  ).toString();
}
