/** Where the sinks of a test write, and how the test reads it back. */
import { Database } from "bun:sqlite";
import type { Dataset } from "../../src/vocabulary/dataset.ts";
import { CutProxy } from "./cut-proxy.ts";
import { type PostgresServer, query } from "./postgres-server.ts";

/** A row of a dataset's tables, as far as the oracle knows it. */
export interface KeptRow {
  ledger: number;
  order: number;
  index: number;
  hash: string;
  /** Of ttl: it has no last ledger any more. */
  deleted: boolean;
}

export interface SinkPlace {
  /** The command line of a sink, without what it reads. */
  readonly args: readonly string[];
  /** In the order of the natural key. */
  entries(dataset: Dataset): Promise<KeptRow[]>;
  state(dataset: Dataset): Promise<KeptRow[]>;
  /** `ledger_complete` of every reader. */
  positions(): Promise<number[]>;
  /** SIGKILLs the database and starts it again; absent where there is none. */
  killDatabase?(): Promise<void>;
  /** Resets the sinks' connections to it. */
  cutDatabase?(): void;
  dispose(): Promise<void>;
}

/** For the tables of every sink. */
const TABLES = {
  contract_data: { all: "entries", last: "current_state", deleted: "deleted" },
  ttl: { all: "ttl_changes", last: "current_ttl", deleted: "live_until_ledger IS NULL AS deleted" },
} as const satisfies Record<Dataset, object>;
/** The columns of KeptRow. */
const keptOf = (dataset: Dataset) =>
  `ledger_sequence AS ledger, transaction_order AS "order", change_index AS "index", ledger_key_hash AS hash, ${TABLES[dataset].deleted}`;
const BY_KEY = "ORDER BY ledger_sequence, transaction_order, change_index";

export function sqlitePlace(path: string): SinkPlace {
  const read = async (dataset: Dataset, table: "all" | "last"): Promise<KeptRow[]> => {
    const database = new Database(path, { readonly: true });
    try {
      const rows = database
        .query(`SELECT ${keptOf(dataset)} FROM ${TABLES[dataset][table]} ${BY_KEY}`)
        .all() as KeptRow[];
      return rows.map((row) => ({ ...row, deleted: Boolean(row.deleted) }));
    } finally {
      database.close();
    }
  };
  return {
    args: ["sink", "sqlite", "--to", path],
    entries: (dataset) => read(dataset, "all"),
    state: (dataset) => read(dataset, "last"),
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
  const read = async (dataset: Dataset, table: "all" | "last"): Promise<KeptRow[]> => {
    const sql = `SELECT ${keptOf(dataset)} FROM contract_data.${TABLES[dataset][table]} ${BY_KEY}`;
    const rows = (await query(url, sql)) as unknown as KeptRow[]; // as keptOf says
    return rows.map((row) => ({
      ...row,
      ledger: Number(row.ledger),
      order: Number(row.order),
      index: Number(row.index),
    }));
  };
  return {
    args: ["sink", "postgres", "--url", url.replace(host, proxy.address), "--metrics-port", "127.0.0.1:0"],
    entries: (dataset) => read(dataset, "all"),
    state: (dataset) => read(dataset, "last"),
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
