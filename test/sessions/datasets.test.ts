/** The dataset `ttl` from the real server: by sessions and ranges, with cursors at every row, partitions and restarts. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { describeSchema } from "../../src/columns/schema-description.ts";
import { toNdjson } from "../../src/columns/text.ts";
import { CodedError } from "../../src/error.ts";
import type { BatchMetadata } from "../../src/flight-client/client.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { FlightDescriptor_DescriptorType as Type } from "../../src/grpc/generated/flight.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { shardHash } from "../../src/ledger/filter.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { encodeCursor } from "../../src/threads/cursor.ts";
import { NETWORK } from "../ledger/build.ts";
import { actionJson, flightCalls } from "../support/flight-rows.ts";
import { Fold, type FoldRow } from "../support/fold.ts";
import { LivingWorld } from "../support/living-world.ts";
import { type LocalServer, localServer as serve } from "../support/local-server.ts";
import { ManyContractsSource } from "../support/many-contracts.ts";
import { until } from "../support/until.ts";
import { expectSame } from "./partitions-support.ts";

const FIRST = 1000;
const LAST = 1059;
const BOTH = ["contract_data", "ttl"];
const world = new LivingWorld(FIRST - 8, 20_251_128); // files may begin before the first ledger that is read
const source = new ManyContractsSource(true, (sequence) => world.ledger(sequence));
const scratch = mkdtempSync(join(tmpdir(), "contract-data-datasets-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const localServer = (from: ManyContractsSource, flags: Record<string, string>) =>
  serve(from, { ...flags, "network-passphrase": NETWORK });

interface Read {
  rows: FoldRow[];
  metadata: BatchMetadata[];
  error?: CodedError;
}

async function read({ flight }: LocalServer, ticket: object): Promise<Read> {
  const found: Read = { rows: [], metadata: [] };
  try {
    for await (const { table, metadata } of flight.doGet(Buffer.from(JSON.stringify(ticket)))) {
      for (const row of table.toArray()) found.rows.push({ ...row.toJSON() });
      found.metadata.push(metadata);
    }
  } catch (thrown) {
    found.error = CodedError.from(thrown);
  }
  return found;
}

/** The schema that a ticket's rows have, as base64 of an IPC message. */
async function flightSchema(address: string, ticket: object): Promise<string> {
  const calls = flightCalls(address);
  const { schema } = await calls.getSchema({ type: Type.CMD, cmd: Buffer.from(JSON.stringify(ticket)) });
  calls.close();
  return Buffer.from(schema).toString("base64");
}

/** A row's natural key and what it says, as text. */
function textOf(row: FoldRow): string {
  const names = ["ledger_sequence", "transaction_order", "change_index", "ledger_key_hash", "live_until_ledger"];
  return [...names, "live_until_before", "change_type", "contract_id"].map((name) => String(row[name])).join("|");
}

/** What the decoder alone gives. */
const expected = ((): string[] => {
  const { columns, decoderOptions } = new BatchEncoder({
    dataset: "ttl",
    schemaVersion: 1,
    networkPassphrase: NETWORK,
  });
  const decoder = new LedgerDecoder({ ...decoderOptions, networkPassphrase: NETWORK, compat: "default" });
  const rows = new RowSet();
  for (let ledger = FIRST; ledger <= LAST; ledger++) decoder.decode(world.ledger(ledger), rows);
  const lines = toNdjson(columns, rows).split("\n").filter(Boolean);
  return lines.map((line) => textOf(JSON.parse(line)));
})();

const startWith = async ({ control }: LocalServer, request: object) =>
  (await control.startProcessing({ startLedger: FIRST, endLedger: LAST, ...request })).sessionId;
const ended = ({ control }: LocalServer, sessionId: string) =>
  until(async () => (await control.getStatus({ sessionId })).status === Status.STOPPED, "the session's end");

test("the world has every kind of change, and entries that have expired", () => {
  const words = new Set(expected.map((line) => line.split("|")[6]));
  expect([...words].sort()).toEqual(["created", "evicted", "extended", "removed", "restored"]);
  expect([...world.state(LAST).values()].some((entry) => entry.until < LAST)).toBe(true);
});

for (const workers of [1, 2, 4]) {
  test(`a session of both gives each its rows, and a fold of both is what there is, ${workers} workers`, async () => {
    const server = await localServer(source, { "worker-count": String(workers), "channel-buffer-size": "4" });
    try {
      const request = { startLedger: FIRST - 8, datasets: BOTH, schemaVersion: 2, batchSize: 9 };
      const session = await startWith(server, request);
      const [data, ttl] = await Promise.all([
        read(server, { session, from: "start" }),
        read(server, { session, dataset: "ttl", from: "start" }),
      ]);
      expect([data.error, ttl.error]).toEqual([undefined, undefined]);
      expectSame(ttl.rows.map(textOf).slice(-expected.length), expected);
      expect(ttl.metadata.every(({ dataset }) => dataset === "ttl")).toBe(true);
      expect(data.metadata.every(({ dataset }) => dataset === undefined)).toBe(true);
      const fold = new Fold();
      for (const row of data.rows) fold.data(row);
      for (const row of ttl.rows) fold.ttl(row);
      expect([...fold.state()].sort()).toEqual([...world.state(LAST)].sort());

      const plain = await read(server, {
        session: await startWith(server, { ...request, datasets: [] }),
        from: "start",
      });
      expectSame(plain.rows.map(textOf), data.rows.map(textOf));
    } finally {
      await server.close();
    }
  });
}

describe("one server", () => {
  let server: LocalServer;
  beforeAll(async () => {
    server = await localServer(source, { "channel-buffer-size": "4", "slow-client-grace": "300ms" });
  });
  afterAll(() => server.close());

  test("a range has the rows of the decoder, and its schema, columns and endpoints", async () => {
    const range = { start_ledger: FIRST, end_ledger: LAST, dataset: "ttl" };
    expectSame((await read(server, range)).rows.map(textOf), expected);
    const some = await read(server, { ...range, columns: ["ledger_key_hash", "live_until_ledger"] });
    expect(some.error?.message).toBeUndefined();
    expect(Object.keys(some.rows[0]!)).toEqual(["ledger_key_hash", "live_until_ledger"]);
    const endpoints = await server.flight.range({ ...range, endpoints: 4 });
    const parts: string[] = [];
    for (const { ticket } of endpoints) {
      expect(JSON.parse(Buffer.from(ticket).toString())).toMatchObject({ dataset: "ttl" });
      parts.push(...(await read(server, JSON.parse(Buffer.from(ticket).toString()))).rows.map(textOf));
    }
    expect(endpoints.length).toBe(4);
    expectSame(parts, expected);
  });

  test("a cursor at every row goes on right there, in ranges and in sessions", async () => {
    const end = FIRST + 14;
    const rows = expected.filter((line) => Number(line.split("|", 1)[0]) <= end);
    const session = await startWith(server, { datasets: BOTH, endLedger: end, batchSize: 40 });
    await Promise.all(BOTH.map((dataset) => read(server, { session, dataset, from: "start" })));
    await ended(server, session);
    const range = { start_ledger: FIRST, end_ledger: end, dataset: "ttl", batch_size: 1 };
    const { metadata } = await read(server, range);
    const cursors = metadata.filter((batch) => batch.rows > 0).map(({ cursor }) => cursor);
    expect(cursors.length).toBe(rows.length);
    for (const [index, from] of cursors.entries()) {
      for (const ticket of [
        { session, dataset: "ttl" },
        { ...range, batch_size: 50 },
      ]) {
        const behind = await read(server, { ...ticket, from });
        expect(behind.error).toBeUndefined();
        expectSame(behind.rows.map(textOf), rows.slice(index + 1));
      }
    }
  });

  test("partitions share the rows out by the hash of their keys, and each goes on at its own cursors", async () => {
    const session = await startWith(server, { datasets: BOTH, partitions: 3, batchSize: 5 });
    const { endpoint } = await flightCalls(`127.0.0.1:${server.processor.addresses.flight.port}`).getFlightInfo({
      type: Type.PATH,
      path: ["contract", "ttl", session],
    });
    const tickets = endpoint.map(({ ticket }) => JSON.parse(Buffer.from(ticket!.ticket).toString()));
    expect(tickets.map(({ shard }) => shard.index)).toEqual([0, 1, 2]);
    const parts = await Promise.all(tickets.map((ticket) => read(server, { ...ticket, from: "start" })));
    for (const [index, { rows, metadata }] of parts.entries()) {
      for (const { ledger_key_hash } of rows) {
        const hash = Buffer.from(String(ledger_key_hash), "hex");
        expect(shardHash(new DataView(hash.buffer, hash.byteOffset), 0) % 3).toBe(index);
      }
      const half = metadata[metadata.length >> 1]!;
      const count = metadata.slice(0, (metadata.length >> 1) + 1).reduce((sum, each) => sum + each.rows, 0);
      const rest = await read(server, { ...tickets[index], from: half.cursor });
      expectSame(rest.rows.map(textOf), rows.slice(count).map(textOf));
    }
    expectSame(parts.flatMap(({ rows }) => rows.map(textOf)).sort(), [...expected].sort());
    await ended(server, session);
    const { session: state } = await server.control.getSession({ sessionId: session });
    const names = state!.partitions.map(({ dataset, index }) => `${dataset} ${index}`);
    expect(names).toEqual(BOTH.flatMap((dataset) => [0, 1, 2].map((index) => `${dataset} ${index}`)));
    expect(state!.partitions.slice(3).map(({ rows }) => rows)).toEqual(parts.map(({ rows }) => rows.length));
    expect(state!.deliveries.some(({ dataset, partition }) => dataset === "ttl" && partition === 2)).toBe(true);
  });

  test("what one of two readers reads does not wait for ever for the other dataset", async () => {
    const session = await startWith(server, { datasets: BOTH, batchSize: 2 });
    const data = await read(server, { session, from: "start" });
    expect(data.error).toBeUndefined();
    expectSame((await read(server, { session, dataset: "ttl", from: "start" })).rows.map(textOf), expected);
  });

  test("a session of ttl alone has it by path and ticket, its schema, its flights and its counters", async () => {
    const session = await startWith(server, { datasets: ["ttl"], schemaVersion: 2 });
    const calls = flightCalls(`127.0.0.1:${server.processor.addresses.flight.port}`);
    const { rows } = await read(server, { session, dataset: "ttl", from: "start" });
    expectSame(rows.map(textOf), expected);
    await ended(server, session);
    const path = { type: Type.PATH, path: ["contract", "ttl", session] };
    const info = await calls.getFlightInfo(path);
    expect(info.totalRecords).toBe(expected.length);
    expect(JSON.parse(Buffer.from(info.appMetadata).toString())).toMatchObject({ dataset: "ttl", schema_version: 1 });
    const schema = await calls.getSchema(path);
    expect(Buffer.from(schema.schema).equals(Buffer.from(info.schema))).toBe(true);
    const newest = await calls.getSchema({ type: Type.PATH, path: ["contract", "ttl"] });
    expect(Buffer.from(newest.schema).equals(Buffer.from(info.schema))).toBe(true);
    const listed: string[] = [];
    for await (const { flightDescriptor } of calls.listFlights({}) as AsyncIterable<typeof info>) {
      if (flightDescriptor!.path[2] === session) listed.push(flightDescriptor!.path[1]!);
    }
    expect(listed).toEqual(["ttl"]);
    const metrics = await server.control.getMetrics({ sessionId: session });
    expect(metrics).toMatchObject({ contractsProcessed: expected.length, entriesSkipped: 0 });
    const http = server.processor.addresses.http.port;
    const text = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
    expect(text).toContain(
      `contract_data_session_dataset_rows_total{session="${session}",dataset="ttl"} ${expected.length}`,
    );
    calls.close();
  });

  test("its schema is described and negotiated, and server-info names its versions", async () => {
    const address = `127.0.0.1:${server.processor.addresses.flight.port}`;
    type Answer = { schemas: { dataset: string; schema_version: number; fields: unknown; compatible?: boolean }[] };
    const ask = (body: object) => actionJson<Answer>(address, "schema", body);
    const schema = await flightSchema(address, { start_ledger: FIRST, end_ledger: LAST, dataset: "ttl" });
    const negotiated = await ask({ dataset: "ttl", schema });
    const { fields } = describeSchema(1, "ttl");
    expect(negotiated.schemas).toMatchObject([{ dataset: "ttl", schema_version: 1, fields, compatible: true }]);
    expect((await ask({ schema })).schemas.map(({ compatible }) => compatible)).toEqual([false, false]);
    const { datasets } = await actionJson<{ datasets: object }>(address, "server-info");
    expect(datasets).toEqual({ contract_data: { schema_versions: [1, 2] }, ttl: { schema_versions: [1] } });
  });

  test("what does not go together is refused, and says what does", async () => {
    const data = await startWith(server, {});
    const ttl = await startWith(server, { datasets: ["ttl"] });
    const both = await startWith(server, { datasets: BOTH });
    const [of, mid] = [
      { ledger: FIRST, row: 0 },
      { ledger: FIRST + 3, row: 0 },
    ];
    for (const [ticket, reason] of [
      [{ session: data, dataset: "ttl" }, "DATASET_OF_SESSION"],
      [{ session: ttl }, "DATASET_OF_SESSION"],
      [{ session: both, dataset: "code" }, "KEY_INVALID"],
      [{ session: both, from: encodeCursor(mid, { dataset: "ttl" }) }, "CURSOR_OF_DATASET"],
      [{ session: both, dataset: "ttl", from: encodeCursor(mid) }, "CURSOR_OF_DATASET"],
      [{ session: both, dataset: "ttl", schema_version: 2 }, "SESSION_ENCODING"],
      [{ start_ledger: FIRST, end_ledger: LAST, dataset: "ttl", from: encodeCursor(of) }, "CURSOR_OF_DATASET"],
      [{ start_ledger: FIRST, end_ledger: LAST, dataset: "ttl", schema_version: 2 }, "UNKNOWN_SCHEMA_VERSION"],
      [{ start_ledger: FIRST, end_ledger: LAST, dataset: "ttl", columns: ["balance"] }, "UNKNOWN_COLUMN"],
      [{ start_ledger: FIRST, end_ledger: LAST, dataset: "ttl", filters: { balances: true } }, "KEY_INVALID"],
    ] as const) {
      expect([ticket, (await read(server, ticket)).error?.reason]).toEqual([ticket, reason]);
    }
    for (const [request, reason] of [
      [{ datasets: ["code"] }, "DATASET_UNKNOWN"],
      [{ datasets: ["ttl"], filters: { assetCodes: ["KALE"] } }, "DATASET_FILTERS"],
    ] as const) {
      const refused = await startWith(server, request).catch((thrown) => CodedError.from(thrown).reason);
      expect([request, refused]).toEqual([request, reason]);
    }
  });
});

test("a session of both goes on after a restart, each reader with its own cursor, and counts each dataset", async () => {
  const flags = { "data-dir": join(scratch, "state"), "checkpoint-interval": "50ms" };
  const tipped = new ManyContractsSource(true, (sequence) => world.ledger(sequence));
  tipped.tip = FIRST + 29;
  const request = { datasets: BOTH, batchSize: 7 };
  let server = await localServer(tipped, flags);
  const session = await startWith(server, request);
  const tickets = [{ session }, { session, dataset: "ttl" }];
  const reading = tickets.map((ticket) => read(server, { ...ticket, from: "start" }));
  await until(
    async () => (await server.control.getStatus({ sessionId: session })).currentLedger === FIRST + 29,
    "the tip",
  );
  await Bun.sleep(100);
  await server.close();
  const first = await Promise.all(reading);
  for (const { error } of first) expect(error!.reason).toBe("SERVER_STOPPING");
  tipped.tip = Number.POSITIVE_INFINITY;
  server = await localServer(tipped, flags);
  try {
    const second = await Promise.all(
      tickets.map((ticket, i) => read(server, { ...ticket, from: first[i]!.metadata.at(-1)!.cursor })),
    );
    const ttl = [...first[1]!.rows, ...second[1]!.rows].map(textOf);
    expectSame(ttl, expected);
    await ended(server, session);
    const { session: state } = await server.control.getSession({ sessionId: session });
    expect(state!.request!.datasets).toEqual(BOTH);
    const counts = [0, 1].map((i) => first[i]!.rows.length + second[i]!.rows.length);
    expect(state!.partitions.map(({ dataset, rows }) => [dataset, rows])).toEqual([
      ["contract_data", counts[0]!],
      ["ttl", counts[1]!],
    ]);
  } finally {
    await server.close();
  }
});
