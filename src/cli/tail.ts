import { dialTarget, parseAddress } from "../config/address.ts";
import { dialAddress, integer, oneOf, text } from "../config/types.ts";
import { CodedError } from "../error.ts";
import { FlightClient, type ReceivedBatch } from "../flight-client/client.ts";
import { explainUnreachable } from "../grpc/unreachable.ts";
import { ArrowCells } from "./arrow-cells.ts";
import { defineCommand } from "./command.ts";
import { option, optionOr, toggle } from "./flags.ts";
import { isClosedByReader, write } from "./output.ts";
import { PROGRAM } from "./program.ts";
import { tableHead, tableRow } from "./row-table.ts";

const DEFAULT_ADDRESS = "127.0.0.1:8816";

export const command = defineCommand({
  usage: "[flags]",
  description:
    "Reads one session through Arrow Flight and prints its rows until the stream ends. The cursor behind the last row is printed on stderr, also when an error ends it: --session and --from go on right there. Where --limit has cut a batch, the cursor is of the batch's beginning, and --skip leaves out the rows of it that were printed. Where the server asks for credentials, they are taken from FLIGHT_LOGIN (name:password) in the environment.",
  flags: {
    address: option({
      placeholder: "HOST:PORT",
      type: dialAddress,
      summary: `The Flight server. Default: ${DEFAULT_ADDRESS}, or FLIGHT_ADDRESS where that is set.`,
    }),
    session: option({
      placeholder: "ID",
      type: text,
      summary: "The session to read. Default: the newest, or else the first to come within half a minute.",
    }),
    partition: option({
      placeholder: "N",
      type: integer(0, 65_535),
      summary: "Which part, from 0 on, of a session that was started with --partitions; such a session needs it.",
    }),
    from: option({
      placeholder: "WHERE",
      type: text,
      summary:
        "start, now, or a cursor (needs --session). Default: the oldest batch that is still held; of a session that is over, its start.",
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
  },
  examples: [
    { command: `${PROGRAM} tail`, meaning: "the newest session, as a table" },
    { command: `${PROGRAM} tail --format ndjson | jq .contract_id`, meaning: "rows for another program" },
    { command: `${PROGRAM} tail --partition 0`, meaning: "the first part of a session started with --partitions" },
  ],
  async run({ flags, env, stdout, stderr, interrupt }) {
    if (flags.from !== undefined && flags.session === undefined) {
      throw new CodedError("INVALID_ARGUMENT", "SESSION_NEEDED", "--from needs --session beside it");
    }
    const signal = interrupt();
    const address = flags.address ?? flightAddress(env.FLIGHT_ADDRESS);
    const client = new FlightClient(address);
    const limit = flags.limit ?? Number.POSITIVE_INFINITY;
    const place = new Place();
    let skip = flags.skip;
    try {
      await login(client, env.FLIGHT_LOGIN);
      const session = await client.session(flags.session, signal);
      place.session = session.id;
      place.partition = flags.partition;
      const ticket = ticketOf(session, flags);
      for await (const batch of client.doGet(ticket, signal)) {
        const cells = new ArrowCells(batch.table);
        const first = Math.min(batch.table.numRows, skip);
        skip -= first;
        const end = Math.min(batch.table.numRows, first + limit - place.rows);
        const lines = flags.format === "table" && place.rows === 0 && end > first ? [tableHead()] : [];
        for (let row = first; row < end; row++) {
          lines.push(flags.format === "table" ? tableRow((column) => cells.value(row, column)) : cells.json(row));
        }
        if (lines.length > 0) await write(stdout, `${lines.join("\n")}\n`);
        place.printed(batch, first, end);
        if (place.rows >= limit) break;
      }
    } catch (thrown) {
      if (isClosedByReader(thrown)) throw thrown;
      if (!signal.aborted || stdout.errored) {
        if (place.cursor !== undefined || place.rows > 0) stderr.write(`${place.summary()}\n${place.wayOn()}\n`);
        throw explained(thrown, address, place);
      }
    } finally {
      client.close();
    }
    const cut = place.rows >= limit || signal.aborted;
    if (!flags.quiet) stderr.write(`${[place.summary(), ...(cut ? [place.wayOn()] : [])].join("\n")}\n`);
    return 0;
  },
});

/** How far the output is, and how a later `tail` goes on from there. */
class Place {
  session = "";
  partition: number | undefined;
  rows = 0;
  /** Behind all that was printed but for the last `skip` rows; undefined where the server has not said where it began. */
  cursor: string | undefined;
  private skip = 0;

  /** The rows from `first` to `end` of the batch are out, and those before were left out. */
  printed({ table, metadata, start }: ReceivedBatch, first: number, end: number): void {
    this.rows += end - first;
    const isWhole = end === table.numRows;
    this.cursor = isWhole ? metadata.cursor : (start ?? this.cursor);
    this.skip = isWhole ? 0 : end;
  }

  summary(): string {
    const { rows, cursor, skip } = this;
    const behind = skip === 0 ? "" : ` and ${skip} rows`;
    return `${rows} rows${cursor === undefined ? "" : `; cursor ${cursor}${behind}`}`;
  }

  /** What to call `tail` with for the rows behind. */
  wayOn(): string {
    const { session, partition, cursor = "start", skip } = this;
    const part = partition === undefined ? "" : ` --partition ${partition}`;
    const left = skip === 0 ? "" : ` --skip ${skip}`;
    return `go on with --session ${session}${part} --from ${cursor}${left}`;
  }
}

/** What befell the connection, in a shell user's terms. */
function explained(thrown: unknown, address: string, { cursor }: Place): unknown {
  if (!(thrown instanceof CodedError) || thrown.reason !== "GRPC_UNAVAILABLE") return thrown;
  if (cursor === undefined) {
    return explainUnreachable(thrown, { what: "Flight server", address, port: "FLIGHT_ADDRESS, 8816 by default" });
  }
  const message = `the Flight server at ${address} has gone away: ${thrown.message}`;
  return new CodedError("UNAVAILABLE", "SERVER_UNREACHABLE", message, { cause: thrown });
}

/** @param pair name:password; absent where the server asks for none */
async function login(client: FlightClient, pair: string | undefined): Promise<void> {
  if (!pair) return;
  const colon = pair.indexOf(":");
  if (colon < 1) throw new CodedError("INVALID_ARGUMENT", "LOGIN", "FLIGHT_LOGIN must be name:password");
  await client.login(pair.slice(0, colon), pair.slice(colon + 1));
}

/** @throws CodedError INVALID_ARGUMENT / PARTITION_NEEDED, PARTITION_UNKNOWN */
function ticketOf(
  { id, tickets }: { id: string; tickets: Uint8Array[] },
  { partition, from }: { partition?: number; from?: string },
): Uint8Array {
  if (partition === undefined && tickets.length > 1) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "PARTITION_NEEDED",
      `session ${id} is shared out to ${tickets.length} partitions: read one of them with --partition N (0 to ${tickets.length - 1})`,
    );
  }
  const ticket = tickets[partition ?? 0];
  if (ticket !== undefined) return Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(ticket).toString()), from }));
  throw new CodedError(
    "INVALID_ARGUMENT",
    "PARTITION_UNKNOWN",
    `--partition is ${partition}, and the session has ${tickets.length} of them, numbered from 0`,
  );
}

/** Where the server of the same environment is reached. */
function flightAddress(variable: string | undefined): string {
  const address = variable ? parseAddress(variable) : undefined;
  return address === undefined || address.port === 0 ? DEFAULT_ADDRESS : dialTarget(address);
}
