/** The tables of a SQLite sink. */
import type { Dataset } from "../../vocabulary/dataset.ts";
import { COLUMNS, KEY_COLUMNS, type SinkColumn, TTL_COLUMNS } from "../columns.ts";

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

/** What one dataset's rows go to, and the statements that put them there. */
export interface DatasetTables {
  columns: readonly SinkColumn[];
  /** Names of the tables' columns: those of `columns`, and one more by which balances sort. */
  names: readonly string[];
  create: readonly string[];
  /** A row that is there already stays: ranges may overlap. */
  insert: string;
  /** A row replaces another of its entry only if its place is later, so that a back-fill does not bring back what is gone. */
  upsert: string;
}

const KEY = KEY_COLUMNS.join(", ");
const placeOf = (table: string) => `(${KEY_COLUMNS.map((name) => `${table}.${name}`).join(", ")})`;

/** @param all the table of every row; @param last the table of the last row of every entry */
function tablesOf(columns: readonly SinkColumn[], all: string, last: string, more: readonly string[]): DatasetTables {
  const lines = columns.flatMap(({ name, kind, required }) => {
    const line = `${name} ${TYPES[kind]}${required ? " NOT NULL" : ""}`;
    return kind === "amount" ? [line, `${name}_sort TEXT`] : [line];
  });
  const names = columns.flatMap(({ name, kind }) => (kind === "amount" ? [name, `${name}_sort`] : [name]));
  const places = names.map(() => "?").join(", ");
  const sets = names.filter((name) => name !== "ledger_key_hash").map((name) => `${name} = excluded.${name}`);
  return {
    columns,
    names,
    create: [
      `CREATE TABLE ${all} (${lines.join(", ")}, PRIMARY KEY (${KEY})) STRICT, WITHOUT ROWID`,
      `CREATE TABLE ${last} (${lines.join(", ")}, PRIMARY KEY (ledger_key_hash)) STRICT, WITHOUT ROWID`,
      ...more,
    ],
    insert: `INSERT INTO ${all} (${names.join(", ")}) VALUES (${places}) ON CONFLICT DO NOTHING`,
    upsert: `INSERT INTO ${last} (${names.join(", ")}) VALUES (${places})
  ON CONFLICT (ledger_key_hash) DO UPDATE SET ${sets.join(", ")} WHERE ${placeOf("excluded")} > ${placeOf(last)}`,
  };
}

/** The tables of each dataset. The tables of ttl came later: a file may be without them until it gets its first row of ttl. */
export const TABLES: Readonly<Record<Dataset, DatasetTables>> = {
  contract_data: tablesOf(COLUMNS, "entries", "current_state", [
    "CREATE INDEX entries_contract ON entries (contract_id, ledger_sequence)",
    "CREATE INDEX current_state_contract ON current_state (contract_id, balance_sort) WHERE NOT deleted",
    "CREATE INDEX current_state_asset ON current_state (asset_code, asset_issuer, balance_sort) WHERE NOT deleted AND balance IS NOT NULL",
    "CREATE INDEX current_state_holder ON current_state (balance_holder) WHERE NOT deleted AND balance IS NOT NULL",
    "CREATE VIEW current_states AS SELECT * FROM current_state WHERE NOT deleted",
  ]),
  ttl: tablesOf(TTL_COLUMNS, "ttl_changes", "current_ttl", [
    "CREATE INDEX current_ttl_until ON current_ttl (live_until_ledger)",
    `CREATE VIEW current_lives AS SELECT current_states.*, current_ttl.live_until_ledger
      FROM current_states LEFT JOIN current_ttl USING (ledger_key_hash)`,
  ]),
};

/** Statements that make an empty file ours. */
export const CREATE: readonly string[] = [
  ...TABLES.contract_data.create,
  `CREATE TABLE consumer_positions (reader TEXT PRIMARY KEY, cursor TEXT NOT NULL, ledger_complete INTEGER NOT NULL,
    closed_at TEXT NOT NULL, network TEXT, updated_at TEXT NOT NULL) STRICT`,
  `PRAGMA application_id = ${APPLICATION_ID}`,
  `PRAGMA user_version = ${SCHEMA_VERSION}`,
];

/** Whether the file has the tables of ttl. */
export const HAS_TTL = "SELECT count(*) AS count FROM sqlite_schema WHERE name = 'ttl_changes'";

/** Moves a reader on from the cursor that it had; changes nothing where another process has moved it. */
export const MOVE_POSITION = `INSERT INTO consumer_positions (reader, cursor, ledger_complete, closed_at, network, updated_at)
  VALUES ($reader, $cursor, $ledger, $closed, $network, $now)
  ON CONFLICT (reader) DO UPDATE SET cursor = excluded.cursor, ledger_complete = excluded.ledger_complete,
    closed_at = excluded.closed_at, network = coalesce(network, excluded.network), updated_at = excluded.updated_at
  WHERE cursor IS $before`;
