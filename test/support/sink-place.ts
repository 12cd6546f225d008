/** Where the sinks of a test write, and how the test reads it back. */
import { Database } from "bun:sqlite";
import { CutProxy } from "./cut-proxy.ts";
import { type PostgresServer, query } from "./postgres-server.ts";

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
  /** Resets the sinks' connections to it. */
  cutDatabase?(): void;
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

/** @param url of a database on the server; sinks reach it through a proxy */
export async function postgresPlace(server: PostgresServer, url: string): Promise<SinkPlace> {
  const proxy = await CutProxy.listen();
  const { host } = new URL(url);
  proxy.leadTo(host);
  const read = async (table: string): Promise<KeptRow[]> => {
    const rows = (await query(url, `SELECT ${KEPT} FROM contract_data.${table} ${BY_KEY}`)) as unknown as KeptRow[]; // as KEPT says
    return rows.map((row) => ({
      ...row,
      ledger: Number(row.ledger),
      order: Number(row.order),
      index: Number(row.index),
    }));
  };
  return {
    args: ["sink", "postgres", "--url", url.replace(host, proxy.address), "--metrics-port", "127.0.0.1:0"],
    entries: () => read("entries"),
    state: () => read("current_state"),
    positions: async () => {
      const rows = await query(url, "SELECT ledger_complete FROM contract_data.consumer_positions");
      return rows.map(({ ledger_complete }) => Number(ledger_complete));
    },
    killDatabase: () => server.killAndStart(),
    cutDatabase: () => proxy.cut(),
    dispose: async () => {
      proxy.close();
      await server.run(`DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
    },
  };
}
