/** The tables of a SQLite sink. */
import { COLUMNS, KEY_COLUMNS, type SinkColumn } from "../columns.ts";

/** In the file's header: it tells our files from other programs' databases ("CDPr"). */
export const APPLICATION_ID = 0x43445072;
/** Version of the tables, in the file's header. */
export const SCHEMA_VERSION = 1;

const TYPES: Readonly<Record<SinkColumn["kind"], string>> = {
  text: "TEXT",
  ledger: "INTEGER",
  count: "INTEGER",
  flag: "INTEGER",
  time: "TEXT",
  bytes: "BLOB",
  json: "TEXT",
  amount: "TEXT",
};

/** Names of the tables' columns: those of COLUMNS, and one more by which balances sort. */
export const TABLE_COLUMNS: readonly string[] = COLUMNS.flatMap(({ name, kind }) =>
  kind === "amount" ? [name, `${name}_sort`] : [name],
);

const COLUMN_LINES = COLUMNS.flatMap(({ name, kind, required }) => {
  const line = `${name} ${TYPES[kind]}${required ? " NOT NULL" : ""}`;
  return kind === "amount" ? [line, `${name}_sort TEXT`] : [line];
}).join(", ");

const KEY = KEY_COLUMNS.join(", ");

/** Statements that make an empty file ours. */
export const CREATE: readonly string[] = [
  `CREATE TABLE entries (${COLUMN_LINES}, PRIMARY KEY (${KEY})) STRICT, WITHOUT ROWID`,
  `CREATE TABLE current_state (${COLUMN_LINES}, PRIMARY KEY (ledger_key_hash)) STRICT, WITHOUT ROWID`,
  "CREATE INDEX entries_contract ON entries (contract_id, ledger_sequence)",
  "CREATE INDEX current_state_contract ON current_state (contract_id, balance_sort) WHERE NOT deleted",
  "CREATE INDEX current_state_asset ON current_state (asset_code, asset_issuer, balance_sort) WHERE NOT deleted AND balance IS NOT NULL",
  "CREATE INDEX current_state_holder ON current_state (balance_holder) WHERE NOT deleted AND balance IS NOT NULL",
  `CREATE TABLE consumer_positions (reader TEXT PRIMARY KEY, cursor TEXT NOT NULL, ledger_complete INTEGER NOT NULL,
    closed_at TEXT NOT NULL, network TEXT, updated_at TEXT NOT NULL) STRICT`,
  "CREATE VIEW current_states AS SELECT * FROM current_state WHERE NOT deleted",
  `PRAGMA application_id = ${APPLICATION_ID}`,
  `PRAGMA user_version = ${SCHEMA_VERSION}`,
];

const PLACES = TABLE_COLUMNS.map(() => "?").join(", ");

/** A row that is there already stays: ranges may overlap. */
export const INSERT_ENTRY = `INSERT INTO entries (${TABLE_COLUMNS.join(", ")}) VALUES (${PLACES}) ON CONFLICT DO NOTHING`;

const SETS = TABLE_COLUMNS.filter((name) => name !== "ledger_key_hash").map((name) => `${name} = excluded.${name}`);
const placeOf = (table: string) => `(${KEY_COLUMNS.map((name) => `${table}.${name}`).join(", ")})`;

/** A row replaces another of its entry only if its place is later, so that a back-fill does not bring back what is gone. */
export const UPSERT_STATE = `INSERT INTO current_state (${TABLE_COLUMNS.join(", ")}) VALUES (${PLACES})
  ON CONFLICT (ledger_key_hash) DO UPDATE SET ${SETS.join(", ")} WHERE ${placeOf("excluded")} > ${placeOf("current_state")}`;

/** Moves a reader on from the cursor that it had; changes nothing where another process has moved it. */
export const MOVE_POSITION = `INSERT INTO consumer_positions (reader, cursor, ledger_complete, closed_at, network, updated_at)
  VALUES ($reader, $cursor, $ledger, $closed, $network, $now)
  ON CONFLICT (reader) DO UPDATE SET cursor = excluded.cursor, ledger_complete = excluded.ledger_complete,
    closed_at = excluded.closed_at, network = coalesce(network, excluded.network), updated_at = excluded.updated_at
  WHERE cursor IS $before`;
