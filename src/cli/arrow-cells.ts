/** Cells of a received Arrow table in the forms that our commands print. */
import type { Table, Vector } from "apache-arrow";

/** Reads cells of one table by row and column name. */
export class ArrowCells {
  private readonly vectors = new Map<string, Vector>();
  readonly columns: readonly string[];

  constructor(readonly table: Table) {
    this.columns = table.schema.fields.map((field) => field.name);
    for (const name of this.columns) this.vectors.set(name, table.getChild(name)!);
  }

  /** As Arrow has it, but for times, which are ISO text, and 64-bit integers, which are decimal text. */
  value(row: number, column: string): unknown {
    const value: unknown = this.vectors.get(column)?.get(row) ?? null;
    if (value === null) return null;
    if (column === "closed_at") return new Date(Number(value)).toISOString();
    return typeof value === "bigint" ? value.toString() : value;
  }

  /** One row as an object, in the table's column order. */
  object(row: number): Record<string, unknown> {
    return Object.fromEntries(this.columns.map((name) => [name, this.value(row, name)]));
  }
}
