/**
 * The columns of the tables that our sinks fill: contract_data's of schema version 2 and ttl's, each in the form that a
 * database has for it.
 */
import type { Table, Vector } from "apache-arrow";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";

/**
 * How a value is kept: `ledger` and `count` are whole numbers of 32 bits without a sign, `time` is a point in time, `amount`
 * a whole number of up to 39 digits, `json` is text that is JSON.
 */
type ColumnKind = "text" | "ledger" | "count" | "flag" | "time" | "bytes" | "json" | "amount";

/** A column of a dataset's tables. */
export interface SinkColumn {
  name: string;
  kind: ColumnKind;
  /** The Arrow column, where its name is another. */
  arrow?: string;
  /** Whether every row has a value. */
  required?: boolean;
  /** Null in `current_state` for an entry that is gone: the value it had. */
  isValue?: boolean;
}

/** Natural key of a row, in the order of application; docs/columns.md. */
export const KEY_COLUMNS = ["ledger_sequence", "transaction_order", "change_index"] as const;

/** In the order of the tables: the natural key is first. */
export const COLUMNS: readonly SinkColumn[] = [
  { name: "ledger_sequence", kind: "ledger", required: true },
  { name: "transaction_order", kind: "count", required: true },
  { name: "change_index", kind: "count", required: true },
  { name: "closed_at", kind: "time", required: true },
  { name: "change_type", kind: "text", required: true },
  { name: "deleted", kind: "flag", required: true },
  { name: "ledger_key_hash", kind: "text", required: true },
  { name: "contract_id", kind: "text", required: true },
  { name: "contract_key_type", kind: "text", required: true },
  { name: "contract_durability", kind: "text", required: true },
  { name: "asset_code", kind: "text" },
  { name: "asset_issuer", kind: "text" },
  { name: "asset_type", kind: "text" },
  { name: "balance_holder", kind: "text" },
  { name: "balance", kind: "amount", arrow: "balance_text", isValue: true },
  { name: "last_modified_ledger", kind: "ledger" },
  { name: "expiration_ledger_seq", kind: "ledger" },
  { name: "key_xdr", kind: "bytes" },
  { name: "val_xdr", kind: "bytes", isValue: true },
  { name: "key_json", kind: "json" },
  { name: "val_json", kind: "json", isValue: true },
  { name: "contract_instance_type", kind: "text" },
  { name: "contract_instance_wasm_hash", kind: "text" },
  { name: "contract_instance_storage_entries", kind: "count" },
  { name: "contract_instance_storage_bytes", kind: "count" },
  { name: "is_sac", kind: "flag" },
  { name: "transaction_hash", kind: "text" },
  { name: "operation_index", kind: "count" },
];

/** Columns of the tables of the dataset ttl, named as in a batch. */
export const TTL_COLUMNS: readonly SinkColumn[] = [
  { name: "ledger_sequence", kind: "ledger", required: true },
  { name: "transaction_order", kind: "count", required: true },
  { name: "change_index", kind: "count", required: true },
  { name: "closed_at", kind: "time", required: true },
  { name: "change_type", kind: "text", required: true },
  { name: "ledger_key_hash", kind: "text", required: true },
  { name: "live_until_ledger", kind: "ledger" },
  { name: "live_until_before", kind: "ledger" },
  { name: "contract_id", kind: "text" },
  { name: "key_xdr", kind: "bytes" },
  { name: "contract_durability", kind: "text" },
  { name: "transaction_hash", kind: "text" },
  { name: "operation_index", kind: "count" },
];

/** What a range of contract data is asked for, so that nothing is sent which no table keeps. */
export const ARROW_COLUMNS: readonly string[] = COLUMNS.map(({ name, arrow }) => arrow ?? name);

/**
 * The table's vectors in the order of the columns.
 * @throws Error naming a column that is not there: the stream is none of schema version 2
 */
export function vectorsOf(table: Table, columns: readonly SinkColumn[] = COLUMNS): Vector[] {
  return columns.map(({ name: column, arrow: name = column }) => {
    const vector = table.getChild(name);
    if (vector === null) throw new Error(`the stream has no column ${name}: it has to be of schema version 2`);
    return vector;
  });
}

/** The dataset that the table's rows are of. */
export function datasetOf(table: Table): Dataset {
  return (table.schema.metadata.get("schema_type") ?? DATASET_DEFAULT) as Dataset; // the server's own word
}

/** The network that the table's rows belong to. */
export function networkOf(table: Table): string {
  return table.schema.metadata.get("network_passphrase") ?? "";
}
