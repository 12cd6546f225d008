/** Sessions that a group of consumers shares, on the real server: each reads a partition, all together every row once. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../../src/error.ts";
import type { BatchMetadata } from "../../src/flight/client.ts";
import { FlightClient } from "../../src/flight/client.ts";
import { GetStatusResponse_Status as Status, StopMode } from "../../src/grpc/generated/control.ts";
import { recordThreads } from "../regressions/threads.ts";
import { flightCalls } from "../support/flight-rows.ts";
import { GatedSource } from "../support/gated-source.ts";
import { failureOf, type LocalServer, localServer, until } from "../support/local-server.ts";

const FIRST = 1000;
const scratch = mkdtempSync(join(tmpdir(), "contract-data-partitions-"));
let source: GatedSource;

beforeAll(async () => {
  source = await GatedSource.open();
});
afterAll(async () => {
  await source.close();
  rmSync(scratch, { recursive: true, force: true });
});

type Metadata = BatchMetadata & { partition?: { index: number; count: number }; filters_from: number };

/** One row, as text that tells it from all others, and what it is partitioned by. */
interface Row {
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

const flightAddress = ({ processor }: LocalServer) => `127.0.0.1:${processor.addresses.flight.port}`;
const shards = (count: number) => Array.from({ length: count }, (_, index) => ({ index, count }));

/** Everything behind the ticket, up to its end or its error. @param each ends the reading by answering false */
async function read(
  server: LocalServer,
  ticket: object,
  each: (read: Read) => unknown = () => {},
  windowBytes?: number,
): Promise<Read> {
  const client = new FlightClient(flightAddress(server), windowBytes);
  const read: Read = { rows: [], metadata: [], cursor: undefined };
  try {
    for await (const { table, metadata } of client.doGet(Buffer.from(JSON.stringify(ticket)))) {
      const columns = table.schema.fields.map((_, index) => table.getChildAt(index)!);
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

const texts = (rows: Row[]) => rows.map(({ text }) => text);
const sorted = (rows: Row[]) => texts(rows).sort();

/** That the parts are a partition of the whole, in every sense. */
function expectShared(parts: Row[][], whole: Row[]): void {
  expect(sorted(parts.flat())).toEqual(sorted(whole));
  const owner = new Map<string, number>();
  parts.forEach((rows, index) => {
    for (const { contract } of rows) expect(owner.get(contract) ?? index).toBe(index);
    for (const { contract } of rows) owner.set(contract, index);
    // in the order of the whole
    const mine = new Set(rows.map(({ contract }) => contract));
    expect(texts(rows)).toEqual(texts(whole.filter(({ contract }) => mine.has(contract))));
  });
}

async function start(server: LocalServer, request: object): Promise<string> {
  return (await server.control.startProcessing({ startLedger: FIRST, endLedger: 0, ...request })).sessionId;
}

const stateOf = async (server: LocalServer, sessionId: string) =>
  (await server.control.getStatus({ sessionId })).status;
const ended = (server: LocalServer, id: string) =>
  until(async () => (await stateOf(server, id)) === Status.STOPPED, "the session's end");

const isPrefix = (part: string[], whole: string[]) => part.every((text, index) => text === whole[index]);

for (const workers of [1, 2]) {
  test(`three consumers share a session, ${workers} workers: every row once, a contract's all in one place, in order`, async () => {
    source.tip = Number.POSITIVE_INFINITY;
    const server = await localServer(source, { "worker-count": String(workers), "channel-buffer-size": "8" });
    try {
      const endLedger = FIRST + 279;
      const whole = await read(server, { session: await start(server, { endLedger }), from: "start" });
      expect(whole.rows.length).toBeGreaterThan(10_000);
      for (const request of [
        { partitions: 3 },
        { partitions: 3, batchSize: 17 },
        { partitions: 16, schemaVersion: 2 },
      ]) {
        const session = await start(server, { endLedger, ...request });
        const parts = await Promise.all(
          shards(request.partitions).map((shard) => read(server, { session, shard, from: "start" })),
        );
        for (const [index, { metadata, error }] of parts.entries()) {
          expect(error).toBeUndefined();
          expect(metadata.every(({ partition }) => partition!.index === index)).toBe(true);
          expect(metadata.at(-1)!.ledger_complete).toBe(endLedger);
        }
        if ("schemaVersion" in request) {
          const other = await read(server, {
            session: await start(server, { endLedger, schemaVersion: 2 }),
            from: "start",
          });
          expectShared(
            parts.map(({ rows }) => rows),
            other.rows,
          );
        } else
          expectShared(
            parts.map(({ rows }) => rows),
            whole.rows,
          );
        await ended(server, session);
        const metrics = await server.control.getMetrics({ sessionId: session });
        const count = parts.reduce((all, { rows }) => all + rows.length, 0);
        expect(metrics).toMatchObject({
          contractsProcessed: count,
          rowsDelivered: count,
          ledgersProcessed: 280,
          errors: 0,
        });
      }
    } finally {
      await server.close();
    }
  });
}
