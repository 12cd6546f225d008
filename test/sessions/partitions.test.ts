/** Sessions that a group of consumers shares, on the real server: each reads a partition, all together every row once. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { FlightDescriptor_DescriptorType as Type } from "../../src/grpc/generated/flight.ts";
import { failureOf } from "../support/failure.ts";
import { flightCalls } from "../support/flight-rows.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { ManyContractsSource } from "../support/many-contracts.ts";
import { until } from "../support/until.ts";
import {
  COUNT,
  COUNT_FLAGS,
  ended,
  expectSame,
  expectShared,
  FIRST,
  flightAddress,
  read,
  shards,
  start,
  texts,
  wholeOf,
} from "./partitions-support.ts";

const source = new ManyContractsSource();

for (const workers of [1, 2]) {
  test(`three consumers share a session, ${workers} workers: every row once, a contract's all in one place, in order`, async () => {
    source.tip = Number.POSITIVE_INFINITY;
    const server = await localServer(source, { "worker-count": String(workers), "channel-buffer-size": "8" });
    try {
      const endLedger = FIRST + 279;
      const whole = await read(server, { session: await start(server, { endLedger }), from: "start" });
      expect(whole.rows.length).toBeGreaterThan(4000);
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

describe("with three partitions", () => {
  let server: LocalServer;
  beforeAll(async () => {
    server = await localServer(source, COUNT_FLAGS);
  });
  afterAll(async () => {
    await server.close();
  });

  test("GetFlightInfo answers with an endpoint for each, by path and command", async () => {
    const request = { endLedger: FIRST + 69, partitions: COUNT, batchSize: 20 };
    const id = await start(server, request);
    const calls = flightCalls(flightAddress(server));
    const tickets: object[] = [];
    for (const descriptor of [
      { type: Type.PATH, path: ["contract", "data", id] },
      { type: Type.CMD, cmd: Buffer.from(JSON.stringify({ session: id, from: "start" })) },
    ]) {
      const { endpoint, ordered, totalRecords } = await calls.getFlightInfo(descriptor);
      expect({ ordered, totalRecords }).toEqual({ ordered: false, totalRecords: -1 });
      tickets.push(endpoint.map(({ ticket }) => JSON.parse(Buffer.from(ticket!.ticket).toString())));
    }
    const each = shards(COUNT).map((shard) => ({ session: id, shard }));
    expect(tickets).toEqual([each, each.map((ticket) => ({ ...ticket, from: "start" }))]);
    const parts = await Promise.all((tickets[1] as object[]).map((ticket) => read(server, ticket)));
    expectShared(
      parts.map(({ rows }) => rows),
      await wholeOf(server, { ...request, partitions: 0 }),
    );
    await ended(server, id);
    const one = {
      type: Type.CMD,
      cmd: Buffer.from(JSON.stringify({ session: id, shard: { index: 1, count: COUNT } })),
    };
    const { endpoint, ordered, totalRecords } = await calls.getFlightInfo(one);
    expect({ endpoints: endpoint.length, ordered, totalRecords }).toEqual({
      endpoints: 1,
      ordered: true,
      totalRecords: parts[1]!.rows.length,
    });

    const running = await start(server, { partitions: COUNT });
    const shard = { index: 1, count: COUNT };
    await until(
      async () => (await server.control.getStatus({ sessionId: running })).currentLedger > 0,
      "its first ledgers",
    );
    for (const asked of [{}, { poll: 0 }]) {
      const cmd = Buffer.from(JSON.stringify({ session: running, shard, ...asked }));
      const poll = await calls.pollFlightInfo({ type: Type.CMD, cmd });
      expect(poll.info!.endpoint).toHaveLength(1);
      expect(JSON.parse(Buffer.from(poll.flightDescriptor!.cmd).toString())).toMatchObject({ session: running, shard });
    }
    await server.control.deleteSession({ sessionId: running, force: true });
    calls.close();
  });

  test("filters change for all partitions from the same ledger on", async () => {
    const request = { endLedger: FIRST + 699, batchSize: 20 };
    const whole = await wholeOf(server, request);
    const contracts = [...new Set(whole.map(({ contract }) => contract))].slice(0, 5);
    const session = await start(server, { ...request, partitions: COUNT });
    let from = 0;
    let asked = false;
    const parts = await Promise.all(
      shards(COUNT).map((shard) =>
        read(server, { session, shard, from: "start" }, async ({ metadata }) => {
          if (metadata.length < 20 || asked) return;
          asked = true;
          const { applied } = await server.control.configureFilters({
            sessionId: session,
            filters: { contractIds: contracts, includeDeleted: true },
          });
          from = applied[0]!.fromLedger;
        }),
      ),
    );
    expect(from).toBeGreaterThan(FIRST);
    expect(from).toBeLessThan(FIRST + 699);
    expectShared(
      parts.map(({ rows }) => rows),
      whole.filter(({ ledger, contract }) => ledger < from || contracts.includes(contract)),
    );
    for (const { metadata } of parts) {
      for (const { ledger_last, filters_from } of metadata)
        expect(filters_from).toBe(ledger_last < from ? FIRST : from);
    }
    // The rows are the same when they are read again, each with the filter of its time.
    const again = await Promise.all(shards(COUNT).map((shard) => read(server, { session, shard, from: "start" })));
    again.forEach(({ rows }, index) => {
      expectSame(texts(rows), texts(parts[index]!.rows));
    });
  });

  test("what is told of the session is told of each partition too", async () => {
    const request = { endLedger: FIRST + 69, batchSize: 20, partitions: COUNT };
    const session = await start(server, request);
    const watched: number[] = [];
    const watch = (async () => {
      const call = server.control.watchSession({ sessionId: session, intervalMs: 50 });
      for await (const { session: state } of call as AsyncIterable<{ session: { partitions: unknown[] } }>) {
        watched.push(state.partitions.length);
      }
    })();
    const parts = await Promise.all(shards(COUNT).map((shard) => read(server, { session, shard, from: "start" })));
    await ended(server, session);
    await watch;
    expect(new Set(watched)).toEqual(new Set([COUNT]));
    const rows = parts.map((part) => part.rows.length);
    await until(async () => {
      const { session: state } = await server.control.getSession({ sessionId: session });
      return state!.partitions.every(({ clients }) => clients === 0);
    }, "the clients have left");
    const { session: state } = await server.control.getSession({ sessionId: session });
    expect(
      state!.partitions.map(({ index, rows, rowsDelivered, currentLedger }) => ({
        index,
        rows,
        rowsDelivered,
        currentLedger,
      })),
    ).toEqual(
      rows.map((count, index) => ({ index, rows: count, rowsDelivered: count, currentLedger: request.endLedger })),
    );
    expect(state!.deliveries.map(({ partition, rows }) => [partition, rows]).sort()).toEqual(
      rows.map((count, index) => [index, count]),
    );
    const { sessions } = await server.control.listSessions({});
    expect(sessions.find(({ sessionId }) => sessionId === session)!.partitions).toHaveLength(COUNT);
    const { http } = server.processor.addresses;
    const page = (await (await fetch(`http://127.0.0.1:${http.port}/status.json`)).json()) as {
      sessions: Array<{ id: string; partitions?: unknown[] }>;
    };
    expect(page.sessions.find(({ id }) => id === session)!.partitions).toHaveLength(COUNT);
    for (const [index, part] of parts.entries()) {
      expect(part.metadata.every(({ partition }) => partition?.index === index && partition.count === COUNT)).toBe(
        true,
      );
    }
  });

  test("where ledgers have no rows, every partition hears how far the session is", async () => {
    const contractIds = ["CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD2KM"];
    source.tip = FIRST + 51;
    const session = await start(server, { partitions: COUNT, filters: { contractIds, includeDeleted: true } });
    const heard = await Promise.all(
      shards(COUNT).map((shard) =>
        read(
          server,
          { session, shard, from: "start" },
          ({ metadata }) => metadata.at(-1)!.ledger_complete < FIRST + 51,
        ),
      ),
    );
    for (const { rows, metadata } of heard) {
      expect(rows).toHaveLength(0);
      expect(metadata.at(-1)!.ledger_complete).toBe(FIRST + 51);
    }
    await server.control.stopProcessing({ sessionId: session });
    source.tip = Number.POSITIVE_INFINITY;
  });

  test("one that is started again with the same key is the same; more partitions than PARTITIONS_MAX are refused", async () => {
    const request = { endLedger: FIRST, partitions: 2, idempotencyKey: "shared" };
    expect(await start(server, request)).toBe(await start(server, request));
    expect((await failureOf(start(server, { ...request, partitions: 3 }))).reason).toBe("IDEMPOTENCY_KEY_REUSED");
    expect((await failureOf(start(server, { partitions: 17 }))).message).toContain("17, over PARTITIONS_MAX 16");
  });
});
