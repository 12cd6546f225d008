/**
 * Rows as a table for people: the columns that tell most, long ids shortened in the middle. Nothing is buffered, so
 * the widths are fixed.
 */

import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";

/** A column's value by its name; null or undefined where there is none, as of version 2's columns in rows of version 1. */
type CellReader = (column: string) => unknown;

interface TableColumn {
  title: string;
  width: number;
  right?: boolean;
  text(cell: CellReader): string;
}

const ID_HEAD = 5; // enough of an id to know it again
const ID_TAIL = 4;

function shortId(value: unknown): string {
  const id = value === null || value === undefined ? "" : String(value);
  return id.length <= ID_HEAD + ID_TAIL + 1 ? id : `${id.slice(0, ID_HEAD)}…${id.slice(-ID_TAIL)}`;
}

function without(prefix: string, value: unknown): string {
  const text = String(value ?? "");
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

function assetText(cell: CellReader): string {
  const code = cell("asset_code");
  if (code !== null && code !== undefined) return `${code}`;
  return String(cell("asset_type") ?? "").endsWith("Native") ? "native" : "";
}

/** What kind of instance or balance it is. */
function kindText(cell: CellReader): string {
  return String(cell("contract_instance_type") ?? cell("balance_kind") ?? "");
}

const CONTRACT_DATA: readonly TableColumn[] = [
  { title: "ledger", width: 10, right: true, text: (cell) => String(cell("ledger_sequence")) },
  { title: "contract", width: 10, text: (cell) => shortId(cell("contract_id")) },
  { title: "key", width: 23, text: (cell) => without("ScValTypeScv", cell("contract_key_type")) },
  { title: "durability", width: 10, text: (cell) => without("ContractDataDurability", cell("contract_durability")) },
  { title: "asset", width: 12, text: assetText },
  { title: "holder", width: 10, text: (cell) => shortId(cell("balance_holder")) },
  { title: "balance", width: 20, right: true, text: (cell) => String(cell("balance_text") ?? cell("balance") ?? "") },
  { title: "kind", width: 14, text: kindText },
  { title: "key hash", width: 10, text: (cell) => shortId(cell("ledger_key_hash")) },
  { title: "", width: 7, text: (cell) => (cell("deleted") === true ? "deleted" : "") },
];

const TTL: readonly TableColumn[] = [
  { title: "ledger", width: 10, right: true, text: (cell) => String(cell("ledger_sequence")) },
  { title: "contract", width: 10, text: (cell) => shortId(cell("contract_id")) },
  { title: "durability", width: 10, text: (cell) => without("ContractDataDurability", cell("contract_durability")) },
  { title: "change", width: 8, text: (cell) => String(cell("change_type")) },
  { title: "before", width: 10, right: true, text: (cell) => String(cell("live_until_before") ?? "") },
  { title: "live until", width: 10, right: true, text: (cell) => String(cell("live_until_ledger") ?? "") },
  { title: "transaction", width: 11, text: (cell) => shortId(cell("transaction_hash")) },
  { title: "key hash", width: 10, text: (cell) => shortId(cell("ledger_key_hash")) },
];

const COLUMNS: Readonly<Record<Dataset, readonly TableColumn[]>> = { contract_data: CONTRACT_DATA, ttl: TTL };

function fit(text: string, width: number, right: boolean | undefined): string {
  const cut = text.length > width ? `${text.slice(0, width - 1)}…` : text;
  return right ? cut.padStart(width) : cut.padEnd(width);
}

/** The line of titles and the line below it. */
export function tableHead(dataset: Dataset = DATASET_DEFAULT): string {
  const columns = COLUMNS[dataset];
  const titles = columns.map(({ title, width, right }) => fit(title, width, right)).join("  ");
  const rule = columns.map(({ width }) => "─".repeat(width)).join("  ");
  return `${titles.trimEnd()}\n${rule}`;
}

/** One row as a line, without a newline. */
export function tableRow(cell: CellReader, dataset: Dataset = DATASET_DEFAULT): string {
  return COLUMNS[dataset]
    .map(({ width, right, text }) => fit(text(cell), width, right))
    .join("  ")
    .trimEnd();
}
