/** Where the sinks of a test write, and how the test reads it back. */
import { Database } from "bun:sqlite";

/** A row of `entries` or `current_state`, as far as the oracle knows it. */
export interface KeptRow {
  ledger: number;
  order: number;
  index: number;
  hash: string;
  deleted: boolean;
}

export interface SinkPlace {
  /** The command line of a sink, without what it reads. */
  readonly args: readonly string[];
  /** In the order of the natural key. */
  entries(): Promise<KeptRow[]>;
  state(): Promise<KeptRow[]>;
  /** `ledger_complete` of every reader. */
  positions(): Promise<number[]>;
  /** SIGKILLs the database and starts it again; absent where there is none. */
  killDatabase?(): Promise<void>;
  dispose(): Promise<void>;
}

/** For the tables of every sink: the columns of KeptRow. */
const KEPT = `ledger_sequence AS ledger, transaction_order AS "order", change_index AS "index", ledger_key_hash AS hash, deleted`;
const BY_KEY = "ORDER BY ledger_sequence, transaction_order, change_index";

export function sqlitePlace(path: string): SinkPlace {
  const read = async (table: string): Promise<KeptRow[]> => {
    const database = new Database(path, { readonly: true });
    try {
      const rows = database.query(`SELECT ${KEPT} FROM ${table} ${BY_KEY}`).all() as KeptRow[];
      return rows.map((row) => ({ ...row, deleted: Boolean(row.deleted) }));
    } finally {
      database.close();
    }
  };
  return {
    args: ["sink", "sqlite", "--to", path],
    entries: () => read("entries"),
    state: () => read("current_state"),
    positions: async () => {
      const database = new Database(path, { readonly: true });
      const rows = database.query("SELECT ledger_complete FROM consumer_positions").all();
      database.close();
      return (rows as Array<{ ledger_complete: number }>).map(({ ledger_complete }) => ledger_complete);
    },
    dispose: async () => {},
  };
}
