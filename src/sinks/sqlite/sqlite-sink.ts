/**
 * A sink in one SQLite file: `entries` has every row, `current_state` the last row of every entry (of the dataset ttl
 * `ttl_changes` and `current_ttl`), `consumer_positions` the cursor of every reader; the three change in one transaction.
 *
 * Durability: the log is written in order and synced at checkpoints (synchronous=NORMAL). SIGKILL loses nothing; a power
 * cut may take back the last commits, each whole with its cursor, so that their rows are read again.
 */
import { Database, type SQLQueryBindings } from "bun:sqlite";
import { existsSync } from "node:fs";
import type { Vector } from "apache-arrow";
import { pause } from "../../base/pause.ts";
import { timeText } from "../../columns/fixed-columns.ts";
import { CodedError } from "../../error.ts";
import { datasetOf, networkOf, type SinkColumn, vectorsOf } from "../columns.ts";
import type { Sink, SinkBatch, SinkProgress } from "../sink.ts";
import { sqliteError } from "./errors.ts";
import * as schema from "./schema.ts";

const BUSY_MS = 10_000; // another process may be in the middle of a large commit
const WAL_TRIES_MAX = 100;
const WAL_PAUSE_MS = 50; // SQLite does not wait by itself where the mode of the file is to change
const AMOUNT_OFFSET = 1n << 127n; // no balance is below minus this, so that what is sorted by has no sign
const AMOUNT_DIGITS = 39;

type Value = Exclude<SQLQueryBindings, Record<string, unknown>>;

/** See the file's head. One instance is for one `consume`; several, and other processes, may use the file at a time. */
export class SqliteSink implements Sink {
  private database: Database | undefined;
  private reader = "";
  private cursor: string | undefined;
  private network: string | undefined;
  private batches: SinkBatch[] = [];

  /** @param path of the file, which is made where it is not there */
  constructor(private readonly path: string) {}

  /** @throws CodedError INVALID_ARGUMENT / SINK_TARGET where the file is not ours to write, and nothing is changed then */
  async open(reader: string): Promise<string | undefined> {
    return this.guarded(async () => {
      const database = new Database(this.path, { create: true, readwrite: true });
      this.database = database;
      database.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
      const isEmpty = database.transaction(() => this.checkOwner(database))();
      await useLog(database);
      database.run("PRAGMA synchronous = NORMAL");
      if (isEmpty) this.create(database);
      this.reader = reader;
      this.cursor = this.cursorOf(database, reader);
      this.network = networkOfFile(database);
      return this.cursor;
    });
  }

  /** @throws CodedError FAILED_PRECONDITION / SINK_OTHER_NETWORK */
  write(batch: SinkBatch): void {
    const network = networkOf(batch.table);
    this.network ??= network;
    if (network !== this.network) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "SINK_OTHER_NETWORK",
        `${this.path} has rows of the network "${this.network}", and these are of "${network}": give them a file of their own`,
      );
    }
    this.batches.push(batch);
  }

  /** @throws CodedError FAILED_PRECONDITION / SINK_SHARED, UNAVAILABLE / SINK_AWAY */
  async commit(cursor: string, progress: SinkProgress): Promise<void> {
    await this.guarded(async () => {
      const database = this.database!;
      database
        .transaction(() => {
          this.insert(database);
          this.move(database, cursor, progress);
        })
        .immediate();
      this.cursor = cursor;
      this.batches = [];
    });
  }

  close(): void {
    this.batches = [];
    this.network = undefined;
    this.database?.close();
    this.database = undefined;
  }

  /** What `open` would do, in sentences, with nothing changed. @throws as `open` */
  async plan(reader: string): Promise<string[]> {
    return this.guarded(async () => {
      if (!existsSync(this.path)) return [`makes ${this.path} with its tables`, "begins at the start"];
      const database = new Database(this.path, { readonly: true });
      try {
        if (database.transaction(() => this.checkOwner(database))())
          return [`makes its tables in ${this.path}`, "begins at the start"];
        const cursor = this.cursorOf(database, reader);
        return [
          `adds to ${this.path}`,
          cursor === undefined ? "begins at the start" : `goes on at the cursor ${cursor}`,
        ];
      } finally {
        database.close();
      }
    });
  }

  /**
   * In a transaction: another process may make the tables at this moment.
   * @returns whether the file has nothing in it
   * @throws CodedError for another program's database, or a later version's
   */
  private checkOwner(database: Database): boolean {
    const { count } = database.query("SELECT count(*) AS count FROM sqlite_schema").get() as { count: number };
    const { application_id: owner } = database.query("PRAGMA application_id").get() as { application_id: number };
    const { user_version: version } = database.query("PRAGMA user_version").get() as { user_version: number };
    if (owner === 0 && count === 0) return true;
    if (owner !== schema.APPLICATION_ID) {
      const sentence = `${this.path} is another program's database, and is left as it is: name another file`;
      throw new CodedError("INVALID_ARGUMENT", "SINK_TARGET", sentence);
    }
    if (version <= schema.SCHEMA_VERSION) return false;
    throw new CodedError(
      "FAILED_PRECONDITION",
      "SINK_NEWER",
      `${this.path} has tables of version ${version}, and this program knows version ${schema.SCHEMA_VERSION}: use the later program`,
    );
  }

  private create(database: Database): void {
    database
      .transaction(() => {
        if (!this.checkOwner(database)) return; // another process was faster
        for (const statement of schema.CREATE) database.run(statement);
      })
      .immediate();
  }

  private cursorOf(database: Database, reader: string): string | undefined {
    const found = database.query("SELECT cursor FROM consumer_positions WHERE reader = ?").get(reader);
    return (found as { cursor: string } | null)?.cursor;
  }

  private insert(database: Database): void {
    for (const dataset of new Set(this.batches.map(({ table }) => datasetOf(table)))) {
      if (dataset === "ttl") makeTtlTables(database);
      const tables = schema.TABLES[dataset];
      const entry = database.query(tables.insert);
      const hashAt = tables.names.indexOf("ledger_key_hash");
      const latest = new Map<string, Value[]>();
      for (const { table } of this.batches) {
        if (datasetOf(table) !== dataset) continue;
        const vectors = vectorsOf(table, tables.columns);
        for (let row = 0; row < table.numRows; row++) {
          const values = valuesOf(tables.columns, vectors, row);
          entry.run(...values);
          latest.set(values[hashAt] as string, values);
        }
      }
      const state = database.query(tables.upsert);
      for (const values of latest.values()) state.run(...stateOf(tables, values));
    }
  }

  private move(database: Database, cursor: string, progress: SinkProgress): void {
    const { changes } = database.query(schema.MOVE_POSITION).run({
      $reader: this.reader,
      $cursor: cursor,
      $before: this.cursor ?? null,
      $ledger: progress.ledgerComplete,
      $closed: timeText(progress.closedAtUnixSeconds * 1000),
      $network: this.network ?? null,
      $now: timeText(Date.now()),
    });
    if (changes > 0) return;
    throw new CodedError(
      "FAILED_PRECONDITION",
      "SINK_SHARED",
      `another process has moved "${this.reader}" on in ${this.path}: let one at a time read the same into one file`,
    );
  }

  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      throw sqliteError(this.path, thrown);
    }
  }
}

/** Readers go on while rows are written. */
async function useLog(database: Database): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      database.run("PRAGMA journal_mode = WAL");
      return;
    } catch (thrown) {
      if (tries >= WAL_TRIES_MAX || !(thrown as { code?: string }).code?.startsWith("SQLITE_BUSY")) throw thrown;
      await pause(WAL_PAUSE_MS, new AbortController().signal);
    }
  }
}

function networkOfFile(database: Database): string | undefined {
  const found = database.query("SELECT network FROM consumer_positions WHERE network IS NOT NULL LIMIT 1").get();
  return (found as { network: string } | null)?.network;
}

/** In the transaction of the first rows of ttl. */
function makeTtlTables(database: Database): void {
  const { count } = database.query(schema.HAS_TTL).get() as { count: number };
  if (count === 0) for (const statement of schema.TABLES.ttl.create) database.run(statement);
}

/** A row's values in the order of the tables' columns. */
function valuesOf(columns: readonly SinkColumn[], vectors: readonly Vector[], row: number): Value[] {
  const values: Value[] = [];
  for (let column = 0; column < columns.length; column++) {
    const { kind } = columns[column]!;
    const value = storedValue(kind, vectors[column]!.get(row));
    values.push(value);
    if (kind === "amount") values.push(value === null ? null : sortable(value as string));
  }
  return values;
}

function storedValue(kind: SinkColumn["kind"], value: unknown): Value {
  if (value === null || value === undefined) return null;
  if (kind === "flag") return value === true ? 1 : 0;
  return kind === "time" ? timeText(Number(value)) : (value as Value);
}

/** Text that sorts as the amount does. */
function sortable(amount: string): string {
  return (BigInt(amount) + AMOUNT_OFFSET).toString().padStart(AMOUNT_DIGITS, "0");
}

/** What stays of an entry: all; of one that is gone its key and place, so that an earlier row does not bring it back. */
function stateOf({ columns, names }: schema.DatasetTables, values: readonly Value[]): readonly Value[] {
  if (!values[names.indexOf("deleted")]) return values;
  const isValue = (name: string) =>
    columns.some((column) => column.isValue && (name === column.name || name === `${column.name}_sort`));
  return values.map((value, at) => (isValue(names[at]!) ? null : value));
}
