import type { Writable } from "node:stream";
import { dialTarget, parseAddress } from "../config/address.ts";
import { dialAddress, integer, oneOf, text } from "../config/types.ts";
import { CodedError } from "../error.ts";
import { FlightClient } from "../flight/client.ts";
import { NEWEST_SESSION_TICKET } from "../flight/tickets.ts";
import { ArrowCells } from "./arrow-cells.ts";
import { defineCommand } from "./command.ts";
import { option, optionOr, toggle } from "./flags.ts";
import { PROGRAM } from "./program.ts";
import { tableHead, tableRow } from "./row-table.ts";

const DEFAULT_ADDRESS = "127.0.0.1:8816";

export const command = defineCommand({
  usage: "[flags]",
  description:
    "Reads one session through Arrow Flight and prints its rows until the stream ends. Every batch comes with a cursor; the last one is printed on stderr, so that reading can go on from there. Where the server asks for credentials, they are taken from FLIGHT_LOGIN (name:password) in the environment.",
  flags: {
    address: option({
      placeholder: "HOST:PORT",
      type: dialAddress,
      summary: `The Flight server. Default: ${DEFAULT_ADDRESS}, or FLIGHT_ADDRESS where that is set.`,
    }),
    session: option({ placeholder: "ID", type: text, summary: "The session to read. Default: the newest." }),
    partition: option({
      placeholder: "N",
      type: integer(0, 65_535),
      summary: "Which part, from 0 on, of a session that consumers share.",
    }),
    from: option({
      placeholder: "WHERE",
      type: text,
      summary: "start, now, or a cursor (needs --session). Default: the oldest batch that is still held.",
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
    let rows = 0;
    let cursor = "";
    if (flags.format === "table") stdout.write(`${tableHead()}\n`);
    try {
      await login(client, env.FLIGHT_LOGIN);
      const ticket = await ticketFor(client, flags);
      for await (const { table, metadata } of client.doGet(Buffer.from(ticket), signal)) {
        const cells = new ArrowCells(table);
        const take = Math.min(table.numRows, (flags.limit ?? Number.POSITIVE_INFINITY) - rows);
        const lines: string[] = [];
        for (let row = 0; row < take; row++) {
          lines.push(
            flags.format === "table"
              ? tableRow((column) => cells.value(row, column))
              : JSON.stringify(cells.object(row)),
          );
        }
        if (lines.length > 0) await writeAll(stdout, `${lines.join("\n")}\n`);
        rows += take;
        cursor = metadata.cursor;
        if (flags.limit !== undefined && rows >= flags.limit) break;
      }
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.reason !== "GRPC_UNAVAILABLE") throw error;
      throw new CodedError(
        "UNAVAILABLE",
        "SERVER_UNREACHABLE",
        `cannot reach the Flight server at ${address}: is it running?`,
      );
    } finally {
      client.close();
    }
    if (!flags.quiet) stderr.write(`${rows} rows${cursor === "" ? "" : `; cursor ${cursor}`}\n`);
    return 0;
  },
});

/** @param pair name:password; absent where the server asks for none */
async function login(client: FlightClient, pair: string | undefined): Promise<void> {
  if (!pair) return;
  const colon = pair.indexOf(":");
  if (colon < 1) throw new CodedError("INVALID_ARGUMENT", "LOGIN", "FLIGHT_LOGIN must be name:password");
  await client.login(pair.slice(0, colon), pair.slice(colon + 1));
}

/** @throws CodedError where the session has no such partition */
async function ticketFor(
  client: FlightClient,
  { session, partition, from }: { session?: string; partition?: number; from?: string },
): Promise<string> {
  if (partition === undefined) {
    return session === undefined ? NEWEST_SESSION_TICKET : JSON.stringify({ session, from });
  }
  const tickets = await client.ticketsOf(["contract", "data", ...(session === undefined ? [] : [session])]);
  const ticket = tickets[partition];
  if (ticket !== undefined) return JSON.stringify({ ...JSON.parse(Buffer.from(ticket).toString()), from });
  throw new CodedError(
    "INVALID_ARGUMENT",
    "PARTITION_UNKNOWN",
    `--partition is ${partition}, and the session has ${tickets.length} of them, numbered from 0`,
  );
}

/** Waits for a slow reader of our output, which in turn holds the server back. */
async function writeAll(output: Writable, text: string): Promise<void> {
  if (!output.write(text)) await new Promise((resolve) => output.once("drain", resolve));
}

/** Where the server of the same environment is reached. */
function flightAddress(variable: string | undefined): string {
  const address = variable ? parseAddress(variable) : undefined;
  return address === undefined || address.port === 0 ? DEFAULT_ADDRESS : dialTarget(address);
}
