/** The flags that all sinks have: what is read, and how it is committed. */
import { DAY_MS } from "../config/duration.ts";
import { duration, integer, type SettingType, text } from "../config/types.ts";
import { CodedError } from "../error.ts";
import type { FlightClient } from "../flight-client/client.ts";
import { ARROW_COLUMNS } from "../sinks/columns.ts";
import { type RangeSelection, type Selection, type SessionSelection, ticketFrom } from "../sinks/reader.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";
import { KIND_FLAGS, ticketFilters, typedFilters } from "./filter-flags.ts";
import { type FlagValues, option, toggle } from "./flags.ts";
import { FLIGHT_FLAGS, partTicket } from "./flight-call.ts";
import { PROGRAM } from "./program.ts";
import {
  checkDatasetFilters,
  DATASET_FLAG,
  PARTITION_FLAG,
  RANGE_ASSET_FLAG,
  RANGE_LEDGER_FLAGS,
} from "./reading-flags.ts";
import { UsageError } from "./usage-error.ts";

const COMMIT_ROWS_MAX = 1_000_000; // they wait in memory

const commitInterval = duration(10, DAY_MS);
const commitRows = integer(1, COMMIT_ROWS_MAX);
const retries = integer(0, 1_000_000);

/** Each sink adds where its rows go. */
export const SINK_FLAGS = {
  ...FLIGHT_FLAGS,
  session: option({
    placeholder: "ID",
    type: text,
    summary: "The session to read, from its start on. Default: the newest, where no range is named.",
  }),
  dataset: DATASET_FLAG,
  partition: PARTITION_FLAG,
  ...RANGE_LEDGER_FLAGS,
  "known-asset": RANGE_ASSET_FLAG,
  ...KIND_FLAGS,
  "commit-interval": option({
    placeholder: "DURATION",
    type: commitInterval,
    summary: "Rows wait for a commit no longer than this. Default: 5s, or COMMIT_INTERVAL.",
  }),
  "batch-size": option({
    placeholder: "ROWS",
    type: commitRows,
    summary: "A commit is due with this many rows. Default: BATCH_SIZE, or 1000, and 50000 while rows keep coming.",
  }),
  "max-retries": option({
    placeholder: "N",
    type: retries,
    summary: "End after so many failures in a row of server or database. Default: MAX_RETRIES, or wait for ever.",
  }),
  "dry-run": toggle({ summary: "Say what would be done, and do nothing." }),
};

type Given = FlagValues<typeof SINK_FLAGS>;
type Env = Readonly<Record<string, string | undefined>>;

/** When to commit, and when to give up; from flags, or else from the environment. @throws UsageError */
export function pacingOf(
  flags: Given,
  env: Env,
): { commitIntervalMs?: number; commitRows?: number; retriesMax?: number } {
  return {
    commitIntervalMs: flags["commit-interval"] ?? fromEnv(env, "COMMIT_INTERVAL", commitInterval),
    commitRows: flags["batch-size"] ?? fromEnv(env, "BATCH_SIZE", commitRows),
    retriesMax: flags["max-retries"] ?? fromEnv(env, "MAX_RETRIES", retries),
  };
}

/** A variable of the environment; undefined where it is empty. @throws UsageError */
export function fromEnv<T>(env: Env, name: string, type: SettingType<T>): T | undefined {
  const given = env[name];
  if (!given) return undefined;
  const value = type.parse(given);
  if (value === undefined) throw new UsageError(`${name} is ${JSON.stringify(given)}: ${type.accepts} is accepted`);
  return value;
}

/** @throws UsageError for flags that do not go together */
export function checkSinkFlags(flags: Given): void {
  const { "start-ledger": first, "end-ledger": last, "known-asset": known, session, partition } = flags;
  checkDatasetFilters(flags.dataset, typedFilters(all(flags)));
  if (first === undefined) {
    const word =
      last === undefined ? (known.length > 0 ? "--known-asset" : typedFilters(all(flags))[0]) : "--end-ledger";
    if (word === undefined) return;
    throw new UsageError(`${word} is for a range: give --start-ledger N too; a session has what it was started with`);
  }
  if (session !== undefined) throw new UsageError("--session and --start-ledger name two things to read: give one");
  if (partition !== undefined) throw new UsageError("--partition is for sessions: a range has no partitions");
  if (last !== undefined && last !== 0 && last < first) {
    throw new UsageError(`--end-ledger ${last} is before --start-ledger ${first}`);
  }
}

/** What is read, known to the server. */
interface Found {
  selection: Selection;
  /** The first ledger and the last; 0 = there is no last. */
  ledgerStart: number;
  ledgerEnd: number;
}

/** Asks the server for what the flags name. @throws CodedError where it cannot be read, or not into a sink */
export async function find(client: FlightClient, flags: Given, signal: AbortSignal): Promise<Found> {
  const { "start-ledger": first, "end-ledger": last = 0 } = flags;
  if (first === undefined) return findSession(client, flags, signal);
  const selection: RangeSelection = { start_ledger: first, end_ledger: last, ...rowsOf(flags) };
  const ticket = JSON.parse(Buffer.from(ticketFrom(selection, "start")).toString());
  await client.range(ticket, signal); // it says what is wrong before anything is made
  return { selection, ledgerStart: first, ledgerEnd: last };
}

/** Which rows of a range, and which columns. */
function rowsOf(flags: Given): Partial<RangeSelection> {
  const { dataset } = flags;
  if (dataset !== DATASET_DEFAULT) return { dataset };
  const known = flags["known-asset"].flat();
  return {
    columns: ARROW_COLUMNS,
    filters: { ...ticketFilters(all(flags)), include_deleted: true },
    assets: known.length === 0 ? undefined : known,
  };
}

/** @throws CodedError FAILED_PRECONDITION / SINK_SESSION */
async function findSession(client: FlightClient, flags: Given, signal: AbortSignal): Promise<Found> {
  const { dataset } = flags;
  const session = await client.session(flags.session, signal, dataset);
  const { id, schemaVersion, includesDeleted, ledgerStart, ledgerEnd } = session;
  if (dataset === DATASET_DEFAULT && (schemaVersion !== 2 || !includesDeleted)) {
    const has = schemaVersion === 2 ? "leaves removed entries out" : `has schema version ${schemaVersion}`;
    throw new CodedError(
      "FAILED_PRECONDITION",
      "SINK_SESSION",
      `session ${id} ${has}: a sink needs one started with "${PROGRAM} start --schema-version 2 --include-deleted", or a range by --start-ledger`,
    );
  }
  const { shard } = partTicket(session, flags.partition);
  const selection: SessionSelection = { session: id, shard: shard as SessionSelection["shard"] };
  if (dataset !== DATASET_DEFAULT) selection.dataset = dataset;
  return { selection, ledgerStart, ledgerEnd };
}

/** The filters of a sink: its rows are with those of removed entries, whatever is given. */
function all(flags: Given): Given & { "include-deleted": false } {
  return { ...flags, "include-deleted": false };
}
