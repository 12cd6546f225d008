/** The schema `contract_data` of a PostgreSQL sink, version by version. A version that has been released is never changed. */
import { COLUMNS, KEY_COLUMNS, type SinkColumn } from "../columns.ts";

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

const COLUMN_LINES = COLUMNS.map(({ name, kind, required }) => `${name} ${TYPES[kind]}${required ? " NOT NULL" : ""}`);
const KEY = KEY_COLUMNS.join(", ");
const IS_BALANCE = "NOT deleted AND balance IS NOT NULL";
/** The native asset has neither code nor issuer. */
const CODE = "coalesce(asset_code, 'native')";
const ISSUER = "coalesce(asset_issuer, '')";
const IS_ASSET = `${IS_BALANCE} AND asset_type IS NOT NULL`;
/** The advisory lock of a reader (`reader`) is held by the process that commits for it, and by nobody else. */
const IS_READ = `EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid::bigint << 32 | objid::bigint = hashtextextended(dataset || ' ' || reader, 0))`;

const TABLES = `
CREATE TABLE contract_data.entries (
  ${COLUMN_LINES.join(",\n  ")},
  ingested_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (${KEY})
) PARTITION BY RANGE (ledger_sequence);
CREATE INDEX entries_balance_history ON contract_data.entries (contract_id, ledger_sequence DESC)
  WHERE balance_holder IS NOT NULL;
CREATE INDEX entries_closed_at ON contract_data.entries USING brin (closed_at);

CREATE TABLE contract_data.current_state (
  ${COLUMN_LINES.join(",\n  ")},
  PRIMARY KEY (ledger_key_hash)
) WITH (fillfactor = 85);
CREATE INDEX current_state_holders ON contract_data.current_state ((${CODE}), (${ISSUER}), balance DESC)
  INCLUDE (asset_code, asset_issuer, balance_holder, closed_at) WHERE ${IS_ASSET};

CREATE TABLE contract_data.consumer_positions (
  dataset text NOT NULL DEFAULT 'contract_data',
  reader text NOT NULL,
  cursor text NOT NULL,
  ledger_first bigint NOT NULL,
  ledger_complete bigint NOT NULL,
  closed_at timestamptz NOT NULL,
  rows bigint NOT NULL,
  network text,
  started_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  PRIMARY KEY (dataset, reader)
);`;

const VIEWS = `
CREATE VIEW contract_data.current_states AS SELECT * FROM contract_data.current_state WHERE NOT deleted;

CREATE VIEW contract_data.asset_summary AS
  SELECT ${CODE} AS asset_code, ${ISSUER} AS asset_issuer, count(*) FILTER (WHERE balance > 0) AS holders,
    sum(balance) AS supply, max(closed_at) AS last_activity
  FROM contract_data.current_state WHERE ${IS_ASSET} GROUP BY ${CODE}, ${ISSUER};

CREATE VIEW contract_data.recent_activity AS
  SELECT contract_id, count(*) AS changes, count(DISTINCT ledger_key_hash) AS entries, max(closed_at) AS last_activity
  FROM contract_data.entries WHERE closed_at > now() - interval '24 hours' GROUP BY contract_id;

CREATE VIEW contract_data.ingestion_progress AS
  SELECT md5(dataset || ' ' || reader)::uuid AS batch_id, reader, ledger_first AS start_ledger,
    ledger_complete AS end_ledger, rows AS entries_processed, started_at, completed_at,
    CASE WHEN completed_at IS NOT NULL THEN 'completed' WHEN is_read THEN 'processing' ELSE 'failed' END AS status,
    CASE WHEN completed_at IS NULL AND NOT is_read
      THEN 'no process reads it since ' || updated_at || ': the same command goes on at its cursor' END AS error_message
  FROM contract_data.consumer_positions, LATERAL (SELECT ${IS_READ} AS is_read) AS found;

CREATE FUNCTION contract_data.get_balance_history(wanted_contract text, row_limit integer DEFAULT 100)
RETURNS TABLE (ledger_sequence bigint, closed_at timestamptz, balance_holder text, balance numeric, deleted boolean)
LANGUAGE sql STABLE AS $$
  SELECT ledger_sequence, closed_at, balance_holder, balance, deleted FROM contract_data.entries
  WHERE contract_id = wanted_contract AND balance_holder IS NOT NULL
  ORDER BY ledger_sequence DESC, transaction_order DESC, change_index DESC LIMIT row_limit
$$;

CREATE FUNCTION contract_data.get_top_holders(wanted_code text, wanted_issuer text, row_limit integer DEFAULT 100)
RETURNS TABLE (balance_holder text, balance numeric, closed_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT balance_holder, balance, closed_at FROM contract_data.current_state
  WHERE ${IS_ASSET} AND ${CODE} = coalesce(wanted_code, 'native') AND ${ISSUER} = coalesce(wanted_issuer, '')
  ORDER BY balance DESC LIMIT row_limit
$$;

CREATE FUNCTION contract_data.refresh_current_states() RETURNS void LANGUAGE sql AS $$ SELECT $$;
COMMENT ON FUNCTION contract_data.refresh_current_states() IS 'does nothing: current_states is always current';`;

/** Statements that lead from version n to version n + 1, for n = 0, 1, … */
export const MIGRATIONS: readonly string[] = [`${TABLES}\n${VIEWS}`];

const NAMES = COLUMNS.map(({ name }) => name).join(", ");
const SETS = COLUMNS.filter(({ name }) => name !== "ledger_key_hash").map(({ name }) => `${name} = excluded.${name}`);
const placeOf = (table: string) => `(${KEY_COLUMNS.map((name) => `${table}.${name}`).join(", ")})`;

/** What a commit's connection needs: rows that may be there already, and the newest rows of entries, are staged. */
export const STAGING = ["entries", "state"]
  .map(
    (name) => `CREATE TEMP TABLE IF NOT EXISTS staged_${name} ON COMMIT DELETE ROWS AS
      SELECT ${NAMES} FROM contract_data.entries WITH NO DATA`,
  )
  .join(";\n");

/** COPY takes rows in the order of COLUMNS. */
export const copyInto = (table: string): string => `COPY ${table} (${NAMES}) FROM STDIN (FORMAT binary)`;

/** A row that is there already stays: ranges may overlap. */
export const INSERT_STAGED = `INSERT INTO contract_data.entries (${NAMES}) SELECT ${NAMES} FROM pg_temp.staged_entries
  ORDER BY ${KEY} ON CONFLICT DO NOTHING`;

/** A row replaces another of its entry only if its place is later. In one order, so that two sinks do not wait in a circle. */
export const UPSERT_STATE = `INSERT INTO contract_data.current_state (${NAMES}) SELECT ${NAMES} FROM pg_temp.staged_state
  ORDER BY ledger_key_hash
  ON CONFLICT (ledger_key_hash) DO UPDATE SET ${SETS.join(", ")} WHERE ${placeOf("excluded")} > ${placeOf("current_state")}`;

/**
 * Moves a reader on from the cursor that it had; changes nothing where another process has moved it. $1 reader, $2 cursor,
 * $3 the cursor before, $4 first ledger, $5 last complete ledger, $6 its close in Unix seconds, $7 rows, $8 network
 */
export const MOVE_POSITION = `INSERT INTO contract_data.consumer_positions AS kept
    (reader, cursor, ledger_first, ledger_complete, closed_at, rows, network)
  VALUES ($1, $2, $4, $5, to_timestamp($6), $7, $8)
  ON CONFLICT (dataset, reader) DO UPDATE SET cursor = excluded.cursor, ledger_complete = excluded.ledger_complete,
    closed_at = excluded.closed_at, rows = kept.rows + excluded.rows,
    network = coalesce(kept.network, excluded.network), updated_at = now(), completed_at = NULL
  WHERE kept.cursor = $3`;

/** $1 reader */
export const COMPLETE_POSITION =
  "UPDATE contract_data.consumer_positions SET completed_at = now() WHERE dataset = 'contract_data' AND reader = $1";
