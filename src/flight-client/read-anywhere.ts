/** Reads endpoints that several nodes serve: at one location, and where that fails, behind the last batch at the next. */
import { CodedError } from "../error.ts";
import type { FlightClient, ReceivedBatch } from "./client.ts";
import type { ReadEndpoint } from "./endpoints.ts";
import { isPassing } from "./passing.ts";

const CONNECT_MS_MAX = 5_000; // a node that does not answer is left for the next one

/** Every batch of the endpoints, one endpoint after the other. @throws as `readAnywhere` */
export async function* readAll(
  asked: FlightClient,
  endpoints: readonly ReadEndpoint[],
  signal?: AbortSignal,
): AsyncGenerator<ReceivedBatch> {
  for (const endpoint of endpoints) yield* readAnywhere(asked, endpoint, signal);
}

/**
 * Every batch of the endpoint, once and in order. The server that was asked comes last, since its locations may be names of a
 * network that this machine is not in.
 * @throws CodedError what the last of them said, once each has failed with nothing read in between; at once where it does not pass
 */
export async function* readAnywhere(
  asked: FlightClient,
  { ticket, locations }: ReadEndpoint,
  signal?: AbortSignal,
): AsyncGenerator<ReceivedBatch> {
  const clients = [...locations.map((location) => () => asked.at(location)), () => asked];
  let cursor: string | undefined;
  for (let index = 0, failures = 0; ; index++) {
    try {
      const client = clients[index % clients.length]!();
      if (client !== asked) await client.ready(CONNECT_MS_MAX);
      for await (const batch of client.doGet(cursor === undefined ? ticket : ticketAt(ticket, cursor), signal)) {
        failures = 0;
        cursor = batch.metadata.cursor;
        yield batch;
      }
      return;
    } catch (thrown) {
      failures += 1;
      if (signal?.aborted) return;
      if (!isPassing(CodedError.from(thrown)) || failures >= clients.length) throw thrown;
    }
  }
}

/** The ticket, from there on; its signature does not cover where it begins. */
function ticketAt(ticket: Uint8Array, from: string): Uint8Array {
  return Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(ticket).toString()), from }));
}
