/**
 * A sink in the schema `contract_data` of a PostgreSQL database: `entries` has every row, `current_state` the last row of
 * every entry (of the dataset ttl `ttl_changes` and `current_ttl`), `consumer_positions` the cursor of every reader; the
 * three change in one transaction.
 *
 * Rows go in by COPY, those of a large commit as they come, in a transaction that stays open until the commit. COPY knows no
 * conflicts, so a transaction that meets a row that is there already is rolled back and goes through a staging table, and so
 * do the next ones until one has found no such row. All rows of a commit are kept until it is done.
 *
 * An advisory lock lets one process at a time commit for a reader. It is its connection's, and ends with it, after whatever
 * that connection had under way: what a connection that was lost has done is known once its successor has the lock.
 */
import pg from "pg";
import { pause } from "../../base/pause.ts";
import { CodedError } from "../../error.ts";
import { DATASET_DEFAULT, type Dataset } from "../../vocabulary/dataset.ts";
import { networkOf } from "../columns.ts";
import type { Sink, SinkBatch, SinkProgress } from "../sink.ts";
import { type DatasetTables, TABLES } from "./dataset-tables.ts";
import { isConflict, postgresError } from "./errors.ts";
import * as sql from "./migrations.ts";
import { OpenCopy } from "./open-copy.ts";
import { PendingRows } from "./pending-rows.ts";
import { checkVersion, cursorOf, isMigrated, LedgerPartitions, migrate, networkOfDatabase } from "./schema.ts";
import type { PostgresTarget } from "./target.ts";

const LOCK_MS_MAX = 5_000; // a predecessor's connection ends within a second of its process
const LOCK_PAUSE_MS = 100;
const EARLY_BYTES = 1 << 20; // a commit that has so much is a large one; the tip's are smaller, and their transactions short
const END_MS_MAX = 1_000; // for a goodbye
const PING_MS_MAX = 5_000; // for its answer: a database that stands still is not healthy

/** As pg_dump does: how long a user's own statements may take says nothing of a commit, which is as long as it is large. */
const NO_TIMEOUTS = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
/** Let the server notice within half a minute that this process is gone, so that the lock is free. Not every server has all. */
const NOTICES_END = ["tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3"];
NOTICES_END.push("client_connection_check_interval = '1s'");

/** What a sink has done since it was made. */
export interface PostgresTotals {
  /** Rows that came, and those of them that were new to their table. */
  received: number;
  inserted: number;
  /** Open connections. */
  connections: number;
}

interface PostgresSinkOptions {
  dataset?: Dataset;
  keepsState?: boolean;
  lockMsMax?: number;
}

/** See the file's head. One instance is for one `consume`. */
export class PostgresSink implements Sink {
  readonly totals: PostgresTotals = { received: 0, inserted: 0, connections: 0 };
  private client: pg.Client | undefined;
  private reader = "";
  private cursor: string | undefined;
  private network: string | undefined;
  private hasOpened = false;
  private isStaged = false;
  private readonly keepsState: boolean;
  private readonly lockMsMax: number;
  private readonly dataset: Dataset;
  private readonly tables: DatasetTables;
  private partitions: LedgerPartitions;
  private pending: PendingRows;
  /** Takes the pending rows, in a transaction that is open. */
  private copying: OpenCopy | undefined;

  /**
   * @param options.dataset what the rows will be of
   * @param options.keepsState false: `current_state` is left as it is, to measure what it costs
   * @param options.lockMsMax how long to wait for another process that reads the same
   */
  constructor(
    private readonly target: PostgresTarget,
    { dataset = DATASET_DEFAULT, keepsState = true, lockMsMax = LOCK_MS_MAX }: PostgresSinkOptions = {},
  ) {
    this.dataset = dataset;
    this.tables = TABLES[dataset];
    this.partitions = new LedgerPartitions(this.tables.all);
    this.keepsState = keepsState;
    this.lockMsMax = lockMsMax;
    this.pending = new PendingRows(this.tables.columns, keepsState);
  }

  /** @throws CodedError INVALID_ARGUMENT / SINK_TARGET, FAILED_PRECONDITION / SINK_NEWER, SINK_SHARED, UNAVAILABLE / SINK_AWAY */
  open(reader: string): Promise<string | undefined> {
    return this.guarded(async () => {
      const client = await this.connect();
      await migrate(client, this.target.shown);
      await this.lock(client, reader);
      await client.query(this.tables.staging);
      this.reader = reader;
      this.network = await networkOfDatabase(client);
      this.cursor = await cursorOf(client, this.dataset, reader);
      this.hasOpened = true;
      return this.cursor;
    });
  }

  /** @throws CodedError FAILED_PRECONDITION / SINK_OTHER_NETWORK, and as `commit` */
  async write({ table }: SinkBatch): Promise<void> {
    const network = networkOf(table);
    this.network ??= network;
    if (network !== this.network) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "SINK_OTHER_NETWORK",
        `${this.target.shown} has rows of the network "${this.network}", and these are of "${network}": give them a database of their own`,
      );
    }
    this.pending.add(table);
    this.totals.received += table.numRows;
    if (this.pending.bytes >= EARLY_BYTES) await this.guarded(() => this.unlessThere(() => this.send(this.client!)));
  }

  /** @throws CodedError UNAVAILABLE / SINK_AWAY, FAILED_PRECONDITION / SINK_NEWER, SINK_SHARED, DATA_LOSS / SINK_DAMAGED */
  commit(cursor: string, progress: SinkProgress): Promise<void> {
    return this.guarded(async () => {
      const inserted = await this.unlessThere(() => this.transaction(this.client!, cursor, progress));
      if (inserted === this.pending.count) this.isStaged = false;
      this.totals.inserted += inserted;
      this.cursor = cursor;
      this.copying = undefined;
      this.pending.clear();
    });
  }

  finish(): Promise<void> {
    return this.guarded(
      async () => void (await this.client!.query(sql.COMPLETE_POSITION, [this.dataset, this.reader])),
    );
  }

  async close(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    this.copying = undefined;
    this.pending = new PendingRows(this.tables.columns, this.keepsState); // the old one's bytes may be on their way still
    this.partitions = new LedgerPartitions(this.tables.all);
    this.network = undefined;
    if (client !== undefined) await this.end(client);
  }

  /** What `open` would do, in sentences, with nothing changed. @throws as `open` */
  plan(reader: string): Promise<string[]> {
    return this.guarded(async () => {
      const client = await this.connect();
      try {
        const { shown } = this.target;
        if (!(await isMigrated(client, shown))) {
          return [`makes the schema contract_data in ${shown}`, "begins at the start"];
        }
        const cursor = await cursorOf(client, this.dataset, reader);
        return [
          `adds to the schema contract_data in ${shown}`,
          cursor === undefined ? "begins at the start" : `goes on at the cursor ${cursor}`,
        ];
      } finally {
        await this.close();
      }
    });
  }

  /** Answers as long as the database does. @throws CodedError UNAVAILABLE / SINK_AWAY */
  ping(): Promise<void> {
    return this.guarded(async () => {
      const client = this.made(PING_MS_MAX);
      try {
        await client.connect();
        await client.query("SELECT 1");
      } finally {
        await this.end(client);
      }
    });
  }

  private async connect(): Promise<pg.Client> {
    this.client = this.made();
    const { client } = this;
    await client.connect();
    for (const name of NO_TIMEOUTS) await client.query(`SET ${name} = 0`);
    for (const setting of NOTICES_END) await client.query(`SET ${setting}`).catch(() => {}); // it goes without
    return client;
  }

  /** @param queryMsMax how long a query may take; undefined: as long as it takes */
  private made(queryMsMax?: number): pg.Client {
    const client = new pg.Client({ ...this.target.config, query_timeout: queryMsMax });
    client.on("error", () => {}); // the query that runs, or the next one, rejects
    client.once("end", () => {
      this.totals.connections -= 1;
    });
    this.totals.connections += 1;
    return client;
  }

  /** Says goodbye; what the database is in the middle of is cut off. */
  private async end(client: pg.Client): Promise<void> {
    const over = new AbortController();
    await Promise.race([client.end().catch(() => {}), pause(END_MS_MAX, over.signal)]);
    over.abort();
    // not in the types: a database that is stuck answers no goodbye
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }

  private async lock(client: pg.Client, reader: string): Promise<void> {
    const until = performance.now() + this.lockMsMax;
    for (;;) {
      const { rows } = await client.query("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken", [
        `${this.dataset} ${reader}`,
      ]);
      if (rows[0].taken) return;
      if (performance.now() > until) break;
      await pause(LOCK_PAUSE_MS, new AbortController().signal);
    }
    const { shown } = this.target;
    if (this.hasOpened) {
      throw new CodedError("UNAVAILABLE", "SINK_AWAY", `another connection commits "${reader}" to ${shown} still`);
    }
    throw this.shared(`another process commits "${reader}" to ${shown}`);
  }

  /** Does `work` again through the staging table where it has met a row that is there already. */
  private async unlessThere<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      if (this.isStaged || !isConflict(thrown)) throw thrown;
      await this.rollback(this.client!);
      this.isStaged = true;
      return await work();
    }
  }

  /** @returns how many rows were new. What it throws leaves the transaction to be rolled back. */
  private async transaction(client: pg.Client, cursor: string, progress: SinkProgress): Promise<number> {
    const { pending } = this;
    let inserted = pending.count;
    if (pending.count === 0) await this.begin(client);
    else {
      await (await this.send(client)).end();
      if (this.isStaged) inserted = (await client.query(this.tables.insertStaged)).rowCount!;
      if (this.keepsState) {
        const state = new OpenCopy(client, this.tables.copyStagedState);
        await state.send(pending.state());
        await state.end();
        await client.query(this.tables.upsertState);
      }
    }
    await this.move(client, cursor, progress);
    await client.query("COMMIT");
    return inserted;
  }

  /** Sends the rows that have not been sent, in a transaction that stays open. */
  private async send(client: pg.Client): Promise<OpenCopy> {
    const { pending, partitions } = this;
    if (!partitions.have(pending.ledgers)) {
      if (this.copying !== undefined) await this.rollback(client);
      await partitions.make(client, pending.ledgers);
    }
    if (this.copying === undefined) {
      await this.begin(client);
      this.copying = new OpenCopy(client, this.isStaged ? this.tables.copyStagedRows : this.tables.copyRows);
    }
    await this.copying.send(pending.unsent());
    return this.copying;
  }

  private async begin(client: pg.Client): Promise<void> {
    await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
    await checkVersion(client, this.target.shown);
  }

  private async rollback(client: pg.Client): Promise<void> {
    await this.copying?.abandon();
    this.copying = undefined;
    this.pending.rewind();
    await client.query("ROLLBACK");
  }

  private async move(client: pg.Client, cursor: string, progress: SinkProgress): Promise<void> {
    const { pending, reader, network } = this;
    const { ledgerComplete, closedAtUnixSeconds } = progress;
    const first = pending.ledgers?.first ?? ledgerComplete;
    const { rowCount } = await client.query(sql.MOVE_POSITION, [
      ...[
        reader,
        cursor,
        this.cursor,
        first,
        ledgerComplete,
        closedAtUnixSeconds,
        pending.count,
        network,
        this.dataset,
      ],
    ]);
    if (rowCount === 0) throw this.shared(`another process has moved "${reader}" on in ${this.target.shown}`);
  }

  private shared(sentence: string): CodedError {
    const remedy = "let one at a time read the same into one database";
    return new CodedError("FAILED_PRECONDITION", "SINK_SHARED", `${sentence}: ${remedy}`);
  }

  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      throw postgresError(this.target.shown, thrown);
    }
  }
}
