/** The tables of each dataset in the schema `contract_data`, and the statements that put rows there. */
import type { Dataset } from "../../vocabulary/dataset.ts";
import { COLUMNS, KEY_COLUMNS, type SinkColumn, TTL_COLUMNS } from "../columns.ts";

const TYPES: Readonly<Record<SinkColumn["kind"], string>> = {
  text: "text",
  ledger: "bigint",
  count: "bigint",
  flag: "boolean",
  time: "timestamptz",
  bytes: "bytea",
  json: "jsonb",
  amount: "numeric(39, 0)",
};
const KEY = KEY_COLUMNS.join(", ");

/** What one dataset's rows go to. */
export interface DatasetTables {
  columns: readonly SinkColumn[];
  /** The partitioned table of every row, without its schema. */
  all: string;
  /** Both tables. Released migrations are made of it: columns come by a migration of their own. */
  create: string;
  /** What a commit's connection needs: rows that may be there already, and the newest rows of entries, are staged. */
  staging: string;
  /** COPY takes rows in the order of `columns`. */
  copyRows: string;
  copyStagedRows: string;
  copyStagedState: string;
  /** A row that is there already stays: ranges may overlap. */
  insertStaged: string;
  /** A row replaces another of its entry only if its place is later. In one order, so that two sinks do not wait in a circle. */
  upsertState: string;
}

/** @param all the table of every row; @param last the table of the last row of every entry */
function tablesOf(columns: readonly SinkColumn[], all: string, last: string): DatasetTables {
  const names = columns.map(({ name }) => name).join(", ");
  const lines = columns.map(({ name, kind, required }) => `${name} ${TYPES[kind]}${required ? " NOT NULL" : ""}`);
  const sets = columns.filter(({ name }) => name !== "ledger_key_hash").map(({ name }) => `${name} = excluded.${name}`);
  const copyInto = (table: string) => `COPY ${table} (${names}) FROM STDIN (FORMAT binary)`;
  const placeOf = (table: string) => `(${KEY_COLUMNS.map((name) => `${table}.${name}`).join(", ")})`;
  const stage = (name: string) => `CREATE TEMP TABLE IF NOT EXISTS ${name} ON COMMIT DELETE ROWS AS
      SELECT ${names} FROM contract_data.${all} WITH NO DATA`;
  return {
    columns,
    all,
    create: `
CREATE TABLE contract_data.${all} (
  ${lines.join(",\n  ")},
  ingested_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (${KEY})
) PARTITION BY RANGE (ledger_sequence);
CREATE TABLE contract_data.${last} (
  ${lines.join(",\n  ")},
  PRIMARY KEY (ledger_key_hash)
) WITH (fillfactor = 85);`,
    staging: `${stage("staged_rows")};\n${stage("staged_state")}`,
    copyRows: copyInto(`contract_data.${all}`),
    copyStagedRows: copyInto("pg_temp.staged_rows"),
    copyStagedState: copyInto("pg_temp.staged_state"),
    insertStaged: `INSERT INTO contract_data.${all} (${names}) SELECT ${names} FROM pg_temp.staged_rows
  ORDER BY ${KEY} ON CONFLICT DO NOTHING`,
    upsertState: `INSERT INTO contract_data.${last} (${names}) SELECT ${names} FROM pg_temp.staged_state
  ORDER BY ledger_key_hash
  ON CONFLICT (ledger_key_hash) DO UPDATE SET ${sets.join(", ")} WHERE ${placeOf("excluded")} > ${placeOf(last)}`,
  };
}

/** The tables of each dataset. */
export const TABLES: Readonly<Record<Dataset, DatasetTables>> = {
  contract_data: tablesOf(COLUMNS, "entries", "current_state"),
  ttl: tablesOf(TTL_COLUMNS, "ttl_changes", "current_ttl"),
};
