/** The schema `contract_data` of a PostgreSQL sink, version by version. A version that has been released is never changed. */
import { TABLES } from "./dataset-tables.ts";

const IS_BALANCE = "NOT deleted AND balance IS NOT NULL";
/** The native asset has neither code nor issuer. */
const CODE = "coalesce(asset_code, 'native')";
const ISSUER = "coalesce(asset_issuer, '')";
const IS_ASSET = `${IS_BALANCE} AND asset_type IS NOT NULL`;
/** The advisory lock of a reader (`reader`) is held by the process that commits for it, and by nobody else. */
const IS_READ = `EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid::bigint << 32 | objid::bigint = hashtextextended(dataset || ' ' || reader, 0))`;

const CREATE = `${TABLES.contract_data.create}
CREATE INDEX entries_balance_history ON contract_data.entries (contract_id, ledger_sequence DESC)
  WHERE balance_holder IS NOT NULL;
CREATE INDEX entries_closed_at ON contract_data.entries USING brin (closed_at);
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

const TTL = `${TABLES.ttl.create}
CREATE INDEX current_ttl_until ON contract_data.current_ttl (live_until_ledger);

CREATE VIEW contract_data.current_lives AS
  SELECT current_states.*, current_ttl.live_until_ledger
  FROM contract_data.current_states LEFT JOIN contract_data.current_ttl USING (ledger_key_hash);`;

/** Statements that lead from version n to version n + 1, for n = 0, 1, … */
export const MIGRATIONS: readonly string[] = [`${CREATE}\n${VIEWS}`, TTL];

/**
 * Moves a reader on from the cursor that it had; changes nothing where another process has moved it. $1 reader, $2 cursor,
 * $3 the cursor before, $4 first ledger, $5 last complete ledger, $6 its close in Unix seconds, $7 rows, $8 network, $9 dataset
 */
export const MOVE_POSITION = `INSERT INTO contract_data.consumer_positions AS kept
    (dataset, reader, cursor, ledger_first, ledger_complete, closed_at, rows, network)
  VALUES ($9, $1, $2, $4, $5, to_timestamp($6), $7, $8)
  ON CONFLICT (dataset, reader) DO UPDATE SET cursor = excluded.cursor, ledger_complete = excluded.ledger_complete,
    closed_at = excluded.closed_at, rows = kept.rows + excluded.rows,
    network = coalesce(kept.network, excluded.network), updated_at = now(), completed_at = NULL
  WHERE kept.cursor = $3`;

/** $1 dataset, $2 reader */
export const COMPLETE_POSITION =
  "UPDATE contract_data.consumer_positions SET completed_at = now() WHERE dataset = $1 AND reader = $2";
