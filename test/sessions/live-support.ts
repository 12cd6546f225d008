/** A server over the sample under the test's control, and reading of its sessions from their start. */
import type { BatchMetadata } from "../../src/flight-client/client.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import type { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";

export const SESSIONS_MAX = 8;

export const liveServer = (source: GatedSource) =>
  localServer(source, {
    "sessions-max": String(SESSIONS_MAX),
    "channel-buffer-size": "4",
    "max-memory-mb": "512",
    "checkpoint-interval": "50ms",
    sources: `lake=${SAMPLE.folder},away=/no/such/lake`,
  });

const stateOf = async (server: LocalServer, sessionId: string) =>
  (await server.control.getStatus({ sessionId })).status;
export const ended = (server: LocalServer, sessionId: string) =>
  until(async () => [Status.STOPPED, Status.ERROR].includes((await stateOf(server, sessionId)) as never), "ended");

interface Row {
  ledger: number;
  contract: string;
  deleted: boolean;
}

export async function read(
  server: LocalServer,
  session: string,
  signal?: AbortSignal,
  onBatch?: (rows: Row[], metadata: BatchMetadata) => unknown,
): Promise<Row[]> {
  const all: Row[] = [];
  const ticket = Buffer.from(JSON.stringify({ session, from: "start" }));
  for await (const { table, metadata } of server.flight.doGet(ticket, signal)) {
    const rows = Array.from({ length: table.numRows }, (_, row) => ({
      ledger: Number(table.getChild("ledger_sequence")!.get(row)),
      contract: String(table.getChild("contract_id")!.get(row)),
      deleted: Boolean(table.getChild("deleted")!.get(row)),
    }));
    all.push(...rows);
    await onBatch?.(rows, metadata);
  }
  return all;
}
