/** The schema in the database: whether it is there and ours, how it is made, and its partitions. */
import type { Client } from "pg";
import { CodedError } from "../../error.ts";
import type { Dataset } from "../../vocabulary/dataset.ts";
import { MIGRATIONS } from "./migrations.ts";

const LOCK = 0x43445072; // one migration, or new partition, at a time in a database ("CDPr")
/** Ledgers of a partition of `entries`, or `ttl_changes`: two months. */
const PARTITION_LEDGERS = 1_000_000;

/** Whether all tables are there. @throws CodedError for a schema of another program, or of a later version */
export async function isMigrated(client: Client, shown: string): Promise<boolean> {
  return (await versionOf(client, shown)) === MIGRATIONS.length;
}

/** Makes or completes the schema; may be called by any number of processes at once. @throws as isMigrated */
export async function migrate(client: Client, shown: string): Promise<void> {
  if (await isMigrated(client, shown)) return;
  await inLock(client, async () => {
    const version = await versionOf(client, shown); // another process may have been faster
    if (version === 0) {
      const { rows } = await client.query("SELECT to_regnamespace('contract_data') IS NULL AS missing");
      if (rows[0].missing) await client.query("CREATE SCHEMA contract_data");
      await client.query("CREATE TABLE contract_data.schema_version (version integer NOT NULL)");
      await client.query("INSERT INTO contract_data.schema_version VALUES (0)");
    }
    await client.query("LOCK TABLE contract_data.schema_version"); // commits look at it, and wait
    for (const migration of MIGRATIONS.slice(version)) await client.query(migration);
    await client.query("UPDATE contract_data.schema_version SET version = $1", [MIGRATIONS.length]);
  });
}

/** The reader's committed cursor. */
export async function cursorOf(client: Client, dataset: Dataset, reader: string): Promise<string | undefined> {
  const { rows } = await client.query(
    "SELECT cursor FROM contract_data.consumer_positions WHERE dataset = $1 AND reader = $2",
    [dataset, reader],
  );
  return rows[0]?.cursor;
}

/** The network whose rows are there; undefined where there are none. */
export async function networkOfDatabase(client: Client): Promise<string | undefined> {
  const { rows } = await client.query(
    "SELECT network FROM contract_data.consumer_positions WHERE network IS NOT NULL LIMIT 1",
  );
  return rows[0]?.network;
}

interface Ledgers {
  first: number;
  last: number;
}

/** Makes partitions of a table as ledgers come, outside of the transactions that fill them. */
export class LedgerPartitions {
  private readonly known = new Set<number>();

  /** @param table without its schema */
  constructor(private readonly table: string) {}

  /** Whether all partitions of these ledgers are known to be there. */
  have(ledgers: Ledgers | undefined): boolean {
    return numbersOf(ledgers).every((number) => this.known.has(number));
  }

  async make(client: Client, ledgers: Ledgers | undefined): Promise<void> {
    for (const number of numbersOf(ledgers)) {
      if (!this.known.has(number)) await makePartition(client, this.table, number);
      this.known.add(number);
    }
  }
}

function numbersOf(ledgers: Ledgers | undefined): number[] {
  if (ledgers === undefined) return [];
  const [first, last] = [ledgers.first, ledgers.last].map((ledger) => Math.floor(ledger / PARTITION_LEDGERS));
  return Array.from({ length: last! - first! + 1 }, (_, at) => first! + at);
}

async function makePartition(client: Client, table: string, number: number): Promise<void> {
  const name = `contract_data.${table}_${number}`;
  // not by to_regclass, which may not see what another process has made while this one waited for the lock
  const found = "SELECT FROM pg_class WHERE relnamespace = 'contract_data'::regnamespace AND relname = $1";
  const exists = async () => (await client.query(found, [`${table}_${number}`])).rowCount! > 0;
  if (await exists()) return; // so that the table is not locked for nothing
  await inLock(client, async () => {
    if (await exists()) return;
    const from = number * PARTITION_LEDGERS;
    // a table of its own first: to be attached, it need not wait for those who read and write the others
    await client.query(`CREATE TABLE ${name} (LIKE contract_data.${table} INCLUDING DEFAULTS)`);
    await client.query(
      `ALTER TABLE contract_data.${table} ATTACH PARTITION ${name} FOR VALUES FROM (${from}) TO (${from + PARTITION_LEDGERS})`,
    );
  });
}

async function inLock(client: Client, work: () => Promise<void>): Promise<void> {
  await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
  try {
    await client.query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
    await work();
    await client.query("COMMIT");
  } catch (thrown) {
    await client.query("ROLLBACK").catch(() => {}); // the error that matters is the one before it
    throw thrown;
  }
}

/** 0 where the schema is not there, or has nothing in it. */
async function versionOf(client: Client, shown: string): Promise<number> {
  const { rows } = await client.query(
    `SELECT count(*) > 0 AS filled, count(*) FILTER (WHERE relname = 'schema_version') > 0 AS ours
      FROM pg_class WHERE relnamespace = to_regnamespace('contract_data')`,
  );
  if (rows[0].ours) return checkVersion(client, shown);
  if (!rows[0].filled) return 0;
  const sentence = `${shown} has a schema contract_data with tables that this program has not made, and they are left as they are: name another database`;
  throw new CodedError("INVALID_ARGUMENT", "SINK_TARGET", sentence);
}

/**
 * In a transaction, no other process can change the tables until its end.
 * @returns the version of the tables that are there
 * @throws CodedError FAILED_PRECONDITION / SINK_NEWER
 */
export async function checkVersion(client: Client, shown: string): Promise<number> {
  const { rows } = await client.query("SELECT version FROM contract_data.schema_version");
  const version = Number(rows[0]?.version ?? 0);
  if (version <= MIGRATIONS.length) return version;
  throw new CodedError(
    "FAILED_PRECONDITION",
    "SINK_NEWER",
    `${shown} has tables of version ${version}, and this program knows version ${MIGRATIONS.length}: use the later program`,
  );
}
