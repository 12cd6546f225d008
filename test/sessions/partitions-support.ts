/** A group of consumers on one session: what each reads, and that all together have every row once. */
import { expect } from "bun:test";
import { CodedError } from "../../src/error.ts";
import type { BatchMetadata } from "../../src/flight-client/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import type { LocalServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";

export const FIRST = 1000;
const TOLD_APART_BY = ["ledger_sequence", "contract_id", "deleted", "change_type", "key_xdr", "val_xdr"];

/** How many partitions a describe's sessions have, and the settings of its server: few batches are held, and a slow client is soon ended. */
export const COUNT = 3;
export const COUNT_FLAGS = {
  "channel-buffer-size": "6",
  "slow-client-grace": "300ms",
  "checkpoint-interval": "50ms",
  "flush-interval": "100ms",
};

type Metadata = BatchMetadata & { partition?: { index: number; count: number }; filters_from: number };

/** One row, as text that tells it from all others, and what it is partitioned by. */
export interface Row {
  ledger: number;
  contract: string;
  text: string;
}

interface Read {
  rows: Row[];
  metadata: Metadata[];
  cursor: string | undefined;
  error?: CodedError;
}

export const flightAddress = ({ processor }: LocalServer) => `127.0.0.1:${processor.addresses.flight.port}`;
export const shards = (count: number) => Array.from({ length: count }, (_, index) => ({ index, count }));

/** Everything behind the ticket, up to its end or its error. @param each ends the reading by answering false */
export async function readAt(
  flight: string,
  ticket: object,
  each: (read: Read) => unknown = () => {},
  windowBytes?: number,
): Promise<Read> {
  const client = new FlightClient(flight, { windowBytes });
  const read: Read = { rows: [], metadata: [], cursor: undefined };
  try {
    for await (const { table, metadata } of client.doGet(Buffer.from(JSON.stringify(ticket)))) {
      const columns = TOLD_APART_BY.flatMap((name) => table.getChild(name) ?? []);
      const [ledger, contract] = ["ledger_sequence", "contract_id"].map((name) => table.getChild(name)!);
      for (let row = 0; row < table.numRows; row++) {
        read.rows.push({
          ledger: Number(ledger!.get(row)),
          contract: String(contract!.get(row)),
          text: columns.map((column) => String(column.get(row))).join("|"),
        });
      }
      read.metadata.push(metadata as Metadata);
      read.cursor = metadata.cursor;
      if ((await each(read)) === false) break;
    }
  } catch (thrown) {
    read.error = CodedError.from(thrown);
  } finally {
    client.close();
  }
  return read;
}

export const read = (server: LocalServer, ...args: [object, ((read: Read) => unknown)?, number?]) =>
  readAt(flightAddress(server), ...args);

export const texts = (rows: Row[]) => rows.map(({ text }) => text);

/** Not `expect(…).toEqual(…)`, whose message would be as long as all rows. */
export function expectSame(found: string[], expected: string[]): void {
  const at = found.findIndex((text, index) => text !== expected[index]);
  if (at >= 0) throw new Error(`row ${at} is ${found[at]?.slice(0, 80)} and should be ${expected[at]?.slice(0, 80)}`);
  expect(found.length).toBe(expected.length);
}

/** That the parts are a partition of the whole, in every sense. */
export function expectShared(parts: Row[][], whole: Row[]): void {
  expectSame(texts(parts.flat()).sort(), texts(whole).sort());
  const owner = new Map<string, number>();
  parts.forEach((rows, index) => {
    for (const { contract } of rows) {
      if ((owner.get(contract) ?? index) !== index) throw new Error(`${contract} is in two partitions`);
      owner.set(contract, index);
    }
  });
  // Each in the order of the whole.
  parts.forEach((rows, index) => {
    expectSame(texts(rows), texts(whole.filter(({ contract }) => owner.get(contract) === index)));
  });
}

export async function start(server: LocalServer, request: object): Promise<string> {
  return (await server.control.startProcessing({ startLedger: FIRST, endLedger: 0, ...request })).sessionId;
}

export const stateOf = async (server: LocalServer, sessionId: string) =>
  (await server.control.getStatus({ sessionId })).status;
export const ended = (server: LocalServer, id: string) =>
  until(async () => (await stateOf(server, id)) === Status.STOPPED, "the session's end");

/** What a plain session with the same request has. */
export const wholeOf = async (server: LocalServer, request: object) =>
  (await read(server, { session: await start(server, request), from: "start" })).rows;
