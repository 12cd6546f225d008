import { integer, oneOf, text } from "../config/types.ts";
import { CodedError } from "../error.ts";
import { FlightClient, type ReceivedBatch } from "../flight-client/client.ts";
import type { ReadEndpoint } from "../flight-client/endpoints.ts";
import { readAll } from "../flight-client/read-anywhere.ts";
import { ArrowCells } from "../rows/arrow-cells.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import { defineCommand, type Output } from "./command.ts";
import { FILTER_FLAGS, ticketFilters, typedFilters } from "./filter-flags.ts";
import { type FlagValues, option, optionOr, repeated, toggle } from "./flags.ts";
import { FLIGHT_FLAGS, flightAccess, partTicket } from "./flight-call.ts";
import { isClosedByReader, write } from "./output.ts";
import { PROGRAM } from "./program.ts";
import {
  checkDatasetFilters,
  DATASET_FLAG,
  PARTITION_FLAG,
  RANGE_ASSET_FLAG,
  RANGE_LEDGER_FLAGS,
} from "./reading-flags.ts";
import { tableHead, tableRow } from "./row-table.ts";
import { tailError } from "./tail-errors.ts";
import { TailPlace } from "./tail-place.ts";
import { UsageError } from "./usage-error.ts";

const RANGE_FLAGS = {
  ...RANGE_LEDGER_FLAGS,
  "schema-version": option({
    placeholder: "N",
    type: integer(1, 2),
    summary: "Of a range, 1 or 2; a session has its own. Default: 1.",
  }),
  column: repeated({
    placeholder: "NAME",
    type: text,
    summary: "Only this column of a range, with --format ndjson. Default: all of docs/columns.md.",
  }),
  "known-asset": RANGE_ASSET_FLAG,
  ...FILTER_FLAGS,
};

const FLAGS = {
  ...FLIGHT_FLAGS,
  session: option({
    placeholder: "ID",
    type: text,
    summary: "The session to read. Default: the newest, or else the first to come within half a minute.",
  }),
  dataset: DATASET_FLAG,
  partition: PARTITION_FLAG,
  from: option({
    placeholder: "WHERE",
    type: text,
    summary:
      "start, now, or a cursor (needs --session or --start-ledger). Default: a range's start; a session's oldest batch that is still held, or its start where it is over.",
  }),
  skip: optionOr({
    placeholder: "ROWS",
    type: integer(0, 2 ** 53 - 1),
    otherwise: 0,
    summary: "Leave out so many rows at the beginning, as an earlier tail with --limit has said.",
  }),
  format: optionOr({
    placeholder: "FORMAT",
    type: oneOf(["table", "ndjson"]),
    otherwise: "table" as const,
    summary: "table or ndjson (one JSON object a row). Default: table.",
  }),
  limit: option({ placeholder: "ROWS", type: integer(1, 2 ** 53 - 1), summary: "End after this many rows." }),
  quiet: toggle({ short: "q", summary: "Leave out the summary on stderr." }),
  ...RANGE_FLAGS,
};

export const command = defineCommand({
  usage: "[flags]",
  description: `Reads one session, or with --start-ledger a range of ledgers, through Arrow Flight and prints its rows until the stream ends. A range needs no session, and filters of its own go with it; without any it has the server's. The cursor behind the last row is printed on stderr, also when an error ends it, with the flags that go on right there. Where --limit has cut a batch, the cursor is of the batch's beginning, and --skip leaves out the rows of it that were printed. Where the server asks who is calling, give an API key (--token-file, or ACCESS_TOKEN in the environment), or name and password as FLIGHT_LOGIN (name:password) in the environment.`,
  flags: FLAGS,
  examples: [
    { command: `${PROGRAM} tail`, meaning: "the newest session, as a table" },
    { command: `${PROGRAM} tail --format ndjson | jq .contract_id`, meaning: "rows for another program" },
    {
      command: `${PROGRAM} tail --start-ledger 58751994 --end-ledger 58752000 --asset-code KALE --schema-version 2`,
      meaning: "a range of ledgers, with no session",
    },
    {
      command: `${PROGRAM} tail --start-ledger 58751994 --end-ledger 58752000 --schema-version 2 --balances`,
      meaning: "the balances of a range, of asset contracts and of other tokens",
    },
    { command: `${PROGRAM} tail --dataset ttl`, meaning: "how long entries live, of the newest session that has it" },
    { command: `${PROGRAM} tail --partition 0`, meaning: "the first part of a session started with --partitions" },
  ],
  async run({ flags, env, stdout, stderr, interrupt }) {
    checkTogether(flags);
    const signal = interrupt();
    const { address, login, ...access } = flightAccess({ flags, env });
    const client = new FlightClient(address, access);
    const place = new TailPlace(rangeWords(flags));
    let session = flags.session ?? "";
    let stopped = "";
    try {
      if (login !== undefined) await client.login(login.name, login.password, signal);
      let endpoints: readonly ReadEndpoint[];
      if (flags["start-ledger"] === undefined) {
        const found = await client.session(flags.session, signal, flags.dataset);
        session = found.id;
        place.selection = sessionWords(session, flags);
        const ticket = ticketAt(partTicket(found, flags.partition), flags.from);
        endpoints = [{ ticket, locations: found.locations }];
      } else endpoints = await client.range(rangeOf(flags), signal);
      await printRows(readAll(client, endpoints, signal), place, flags, stdout);
      if (session !== "" && !signal.aborted) stopped = await stopOf(client, session, flags.dataset, signal);
    } catch (thrown) {
      if (isClosedByReader(thrown)) throw thrown;
      if (!signal.aborted || stdout.errored) {
        const hasBegun = place.cursor !== undefined;
        if (hasBegun || place.rows > 0) stderr.write(`${place.summary()}\n${place.wayOn()}\n`);
        throw tailError(thrown, { address, credentials: client.credentials, session, from: flags.from, hasBegun });
      }
    } finally {
      client.close();
    }
    const isCut = place.rows >= (flags.limit ?? Number.POSITIVE_INFINITY) || signal.aborted;
    const last = isCut ? place.wayOn() : stopped;
    if (!flags.quiet) stderr.write(`${place.summary()}\n${last === "" ? "" : `${last}\n`}`);
    return 0;
  },
});

type Given = FlagValues<typeof FLAGS>;

/** Prints the rows that the flags leave, and tells `place` of them. */
async function printRows(
  batches: AsyncIterable<ReceivedBatch>,
  place: TailPlace,
  { format, dataset, skip, limit = Number.POSITIVE_INFINITY }: Given,
  stdout: Output,
): Promise<void> {
  let left = skip;
  for await (const batch of batches) {
    const cells = new ArrowCells(batch.table);
    const first = Math.min(batch.table.numRows, left);
    left -= first;
    const end = Math.min(batch.table.numRows, first + limit - place.rows);
    const lines = format === "table" && place.rows === 0 && end > first ? [tableHead(dataset)] : [];
    for (let row = first; row < end; row++) {
      lines.push(format === "table" ? tableRow((column) => cells.value(row, column), dataset) : cells.json(row));
    }
    if (lines.length > 0) await write(stdout, `${lines.join("\n")}\n`);
    place.printed(batch, first, end);
    if (place.rows >= limit) return;
  }
}

/** A sentence about a session whose stream has ended before its last ledger; empty where it is complete. */
async function stopOf(client: FlightClient, id: string, dataset: Dataset, signal: AbortSignal): Promise<string> {
  const { ledgerCurrent, ledgerEnd } = await client.session(id, signal, dataset);
  return ledgerEnd !== 0 && ledgerCurrent >= ledgerEnd ? "" : `session ${id} was stopped after ledger ${ledgerCurrent}`;
}

/** @throws UsageError, CodedError INVALID_ARGUMENT for flags that do not go together */
function checkTogether(flags: Given): void {
  const { "start-ledger": first, "end-ledger": last, session, partition, from, format, column } = flags;
  if (first === undefined) {
    const [word] = rangeWords({ ...flags, dataset: DATASET_DEFAULT });
    if (word !== undefined) {
      throw new UsageError(`${word} is for a range: give --start-ledger N too; a session has what it was started with`);
    }
    if (from === undefined || session !== undefined) return;
    throw new CodedError("INVALID_ARGUMENT", "SESSION_NEEDED", "--from needs --session or --start-ledger beside it");
  }
  if (session !== undefined)
    throw new UsageError("--session and --start-ledger name two things to read: give one of them");
  if (partition !== undefined) throw new UsageError("--partition is for sessions: a range has no partitions");
  if (last !== undefined && last !== 0 && last < first) {
    throw new UsageError(`--end-ledger ${last} is before --start-ledger ${first}`);
  }
  checkDatasetFilters(flags.dataset, typedFilters(flags));
  if (from === "now") throw new UsageError("--from now is for sessions: give a cursor, or leave it out");
  if (column.length > 0 && format === "table") {
    throw new UsageError("--column is for --format ndjson: the table has columns of its own");
  }
}

/** The range as a ticket has it. */
function rangeOf(flags: Given): Record<string, unknown> {
  return {
    start_ledger: flags["start-ledger"],
    end_ledger: flags["end-ledger"] ?? 0,
    dataset: flags.dataset === DATASET_DEFAULT ? undefined : flags.dataset,
    schema_version: flags["schema-version"],
    columns: flags.column.length === 0 ? undefined : flags.column,
    assets: flags["known-asset"].length === 0 ? undefined : flags["known-asset"].flat(),
    filters: ticketFilters(flags),
    from: flags.from,
  };
}

/** The flags of a range as they would be typed. */
function rangeWords(flags: Given): string[] {
  const numbers = ["start-ledger", "end-ledger", "schema-version"] as const;
  return [
    ...datasetWords(flags),
    ...numbers.flatMap((name) => (flags[name] === undefined ? [] : [`--${name}`, String(flags[name])])),
    ...flags.column.flatMap((name) => ["--column", name]),
    ...flags["known-asset"].flat().flatMap((asset) => ["--known-asset", asset]),
    ...typedFilters(flags),
  ];
}

/** The flags of a session as they would be typed. */
function sessionWords(session: string, flags: Given): string[] {
  const { partition } = flags;
  const part = partition === undefined ? [] : ["--partition", String(partition)];
  return ["--session", session, ...datasetWords(flags), ...part];
}

function datasetWords({ dataset }: Pick<Given, "dataset">): string[] {
  return dataset === DATASET_DEFAULT ? [] : ["--dataset", dataset];
}

/** The session's ticket, from there. */
function ticketAt(ticket: Readonly<Record<string, unknown>>, from: string | undefined): Uint8Array {
  return Buffer.from(JSON.stringify({ ...ticket, from }));
}
