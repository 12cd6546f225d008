/** Rows as text: a task of the formatting thread (row-formatter.ts). */
import type { IpcMessage } from "../threads/row-read.ts";
import { ArrowCells } from "./arrow-cells.ts";
import { batchTable } from "./batch-table.ts";
import { csvLine } from "./csv.ts";
import { decodedScVal } from "./decoded-scval.ts";

/** The rows [first, end) of a batch, and the form that they are to have. */
export interface FormatJob {
  format: "ndjson" | "csv" | "sse";
  /** Schema, then dictionaries. */
  opening: readonly IpcMessage[];
  batch: IpcMessage;
  first: number;
  end: number;
  /** Rows of schema version 1 get the JSON of their key and value too. */
  decoded?: boolean;
}

const encoder = new TextEncoder();

/** One line a row; of an event stream a `data` field a row, whose event the caller ends. */
export function formatTask({ format, opening, batch, first, end, decoded }: FormatJob): Uint8Array {
  const cells = new ArrowCells(batchTable(opening, batch));
  const lines: string[] = [];
  for (let row = first; row < end; row++) {
    if (format === "csv") lines.push(csvLine(cells.columns.map((column) => cells.value(row, column))));
    else {
      const json = decoded ? decodedRow(cells, row) : cells.json(row);
      lines.push(format === "sse" ? `data: ${json}` : json);
    }
  }
  return encoder.encode(`${lines.join("\n")}\n`);
}

const DECODED = [
  ["key_xdr", "key_json"],
  ["val_xdr", "val_json"],
] as const;

function decodedRow(cells: ArrowCells, row: number): string {
  const json = cells.json(row);
  if (cells.columns.includes("key_json")) return json;
  const decoded = DECODED.filter(([column]) => cells.columns.includes(column)).map(
    ([column, name]) => `,"${name}":${decodedScVal(cells.value(row, column))}`,
  );
  return `${json.slice(0, -1)}${decoded.join("")}}`;
}
