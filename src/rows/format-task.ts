/** Rows as text: a task of the formatting thread (row-formatter.ts). */
import type { IpcMessage } from "../threads/row-read.ts";
import { ArrowCells } from "./arrow-cells.ts";
import { batchTable } from "./batch-table.ts";
import { csvLine } from "./csv.ts";

/** The rows [first, end) of a batch, and the form that they are to have. */
export interface FormatJob {
  format: "ndjson" | "csv" | "sse";
  /** Schema, then dictionaries. */
  opening: readonly IpcMessage[];
  batch: IpcMessage;
  first: number;
  end: number;
}

const encoder = new TextEncoder();

/** One line a row; of an event stream a `data` field a row, whose event the caller ends. */
export function formatTask({ format, opening, batch, first, end }: FormatJob): Uint8Array {
  const cells = new ArrowCells(batchTable(opening, batch));
  const lines: string[] = [];
  for (let row = first; row < end; row++) {
    if (format === "csv") lines.push(csvLine(cells.columns.map((column) => cells.value(row, column))));
    else lines.push(format === "sse" ? `data: ${cells.json(row)}` : cells.json(row));
  }
  return encoder.encode(`${lines.join("\n")}\n`);
}
