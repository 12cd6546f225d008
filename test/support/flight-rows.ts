/** Reads rows through our own Flight client, as text that two readings can be compared by. */
import * as grpc from "@grpc/grpc-js";
import { CodedError } from "../../src/error.ts";
import { type BatchMetadata, FlightClient } from "../../src/flight-client/client.ts";
import { FlightService } from "../../src/grpc/generated/flight.ts";
import { type ServiceClient, serviceClient } from "../../src/grpc/service.ts";
import { type ClientTls, clientCredentials } from "../../src/grpc/tls-credentials.ts";

interface Reading {
  rows: string[];
  /** After each batch: how many rows there were, and the cursor. */
  batches: Array<{ rows: number; metadata: BatchMetadata }>;
  error?: CodedError;
}

interface ReadOptions {
  /** Leave after this many batches. */
  batchesMax?: number;
  signal?: AbortSignal;
}

/** Everything behind the ticket, up to its end or its error. */
export async function readRows(address: string, ticket: object | string, options: ReadOptions = {}): Promise<Reading> {
  const client = new FlightClient(address);
  const reading: Reading = { rows: [], batches: [] };
  try {
    const bytes = Buffer.from(typeof ticket === "string" ? ticket : JSON.stringify(ticket));
    for await (const { table, metadata } of client.doGet(bytes, options.signal)) {
      const columns = table.schema.fields.map((_, index) => table.getChildAt(index)!);
      for (let row = 0; row < table.numRows; row++) {
        reading.rows.push(columns.map((column) => String(column.get(row))).join("|"));
      }
      reading.batches.push({ rows: reading.rows.length, metadata });
      if (reading.batches.length === options.batchesMax) break;
    }
  } catch (thrown) {
    reading.error = CodedError.from(thrown);
  } finally {
    client.close();
  }
  return reading;
}

/** Plain calls of the Flight service; `close` when done. */
export function flightCalls(
  address: string,
  { tls }: { tls?: ClientTls } = {},
): ServiceClient<typeof FlightService> & { close(): void } {
  const client = new grpc.Client(address, clientCredentials(address, tls));
  return { ...serviceClient(client, FlightService), close: () => client.close() };
}

/** All messages of a server stream. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const messages: T[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

/** Result bodies of an action, parsed as JSON. */
export async function actionJson<T>(address: string, type: string, body: object | undefined = undefined): Promise<T> {
  const calls = flightCalls(address);
  try {
    const request = { type, body: body === undefined ? new Uint8Array(0) : Buffer.from(JSON.stringify(body)) };
    const [result] = await collect(calls.doAction(request) as AsyncIterable<{ body: Uint8Array }>);
    return JSON.parse(Buffer.from(result!.body).toString("utf8")) as T;
  } finally {
    calls.close();
  }
}

/** The `streams` action's totals. */
export async function flightTotals(address: string): Promise<Record<string, number>> {
  return (await actionJson<{ totals: Record<string, number> }>(address, "streams")).totals;
}
