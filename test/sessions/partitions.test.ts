/** Sessions that a group of consumers shares, on the real server: each reads a partition, all together every row once. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectControl } from "../../src/control/client.ts";
import { CodedError } from "../../src/error.ts";
import type { BatchMetadata } from "../../src/flight-client/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { GetStatusResponse_Status as Status, StopMode } from "../../src/grpc/generated/control.ts";
import { FlightDescriptor_DescriptorType as Type } from "../../src/grpc/generated/flight.ts";
import { recordThreads } from "../regressions/threads.ts";
import { flightCalls } from "../support/flight-rows.ts";
import { failureOf, type LocalServer, localServer, until } from "../support/local-server.ts";
import { ManyContractsSource } from "../support/many-contracts.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";

const FIRST = 1000;
const TOLD_APART_BY = ["ledger_sequence", "contract_id", "deleted", "change_type", "key_xdr", "val_xdr"];
const scratch = mkdtempSync(join(tmpdir(), "contract-data-partitions-"));
const source = new ManyContractsSource();

afterAll(() => {
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
async function readAt(
  flight: string,
  ticket: object,
  each: (read: Read) => unknown = () => {},
  windowBytes?: number,
): Promise<Read> {
  const client = new FlightClient(flight, windowBytes);
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

const read = (server: LocalServer, ...args: [object, ((read: Read) => unknown)?, number?]) =>
  readAt(flightAddress(server), ...args);

const texts = (rows: Row[]) => rows.map(({ text }) => text);

/** Not `expect(…).toEqual(…)`, whose message would be as long as all rows. */
function expectSame(found: string[], expected: string[]): void {
  const at = found.findIndex((text, index) => text !== expected[index]);
  if (at >= 0) throw new Error(`row ${at} is ${found[at]?.slice(0, 80)} and should be ${expected[at]?.slice(0, 80)}`);
  expect(found.length).toBe(expected.length);
}

/** That the parts are a partition of the whole, in every sense. */
function expectShared(parts: Row[][], whole: Row[]): void {
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

async function start(server: LocalServer, request: object): Promise<string> {
  return (await server.control.startProcessing({ startLedger: FIRST, endLedger: 0, ...request })).sessionId;
}

const stateOf = async (server: LocalServer, sessionId: string) =>
  (await server.control.getStatus({ sessionId })).status;
const ended = (server: LocalServer, id: string) =>
  until(async () => (await stateOf(server, id)) === Status.STOPPED, "the session's end");

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
  const COUNT = 3;
  let server: LocalServer;
  beforeAll(async () => {
    server = await localServer(source, {
      "channel-buffer-size": "6",
      "slow-client-grace": "300ms",
      "checkpoint-interval": "50ms",
      "flush-interval": "100ms",
    });
  });
  afterAll(async () => {
    await server.close();
  });

  /** What a plain session with the same request has. */
  const wholeOf = async (request: object) =>
    (await read(server, { session: await start(server, request), from: "start" })).rows;

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
      await wholeOf({ ...request, partitions: 0 }),
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

  test("tickets that name no partition, or one that is not there, are told which there are", async () => {
    const plain = await start(server, { endLedger: FIRST });
    const id = await start(server, { endLedger: FIRST + 9, partitions: COUNT });
    const tickets = `{"session":"${id}","shard":{"index":0,"count":3}} to index 2`;
    for (const [ticket, says] of [
      [{ session: id }, tickets],
      [{ session: id, from: "now" }, tickets],
      [{ session: id, shard: { index: 0, count: 4 } }, tickets],
      [{ session: plain, shard: { index: 0, count: 3 } }, "has no partitions"],
    ] as const) {
      const { error } = await read(server, ticket);
      expect(`${error!.code} ${error!.reason}`).toBe("FAILED_PRECONDITION PARTITION_OF_SESSION");
      expect(error!.message).toContain(says);
    }
    const legacy = await failureOf(
      (async () => {
        for await (const _ of server.flight.doGet(Buffer.from("contract-data-stream"))) break;
      })(),
    );
    expect(legacy.toRecord()).toMatchObject({ code: "FAILED_PRECONDITION", reason: "PARTITION_OF_SESSION" });
    expect((await read(server, { session: plain, shard: { index: 0, count: 1 } })).error).toBeUndefined();

    const { cursor } = await read(server, { session: id, shard: { index: 1, count: COUNT }, from: "start" });
    const whole = await read(server, { session: plain, from: "start" });
    for (const [ticket, says] of [
      [
        { session: id, shard: { index: 2, count: COUNT }, from: cursor },
        "partition 1 of 3, and the ticket of partition 2",
      ],
      [{ session: id, shard: { index: 2, count: COUNT }, from: whole.cursor }, "a session as a whole"],
      [{ session: plain, from: cursor }, "partition 1 of 3"],
      [{ start_ledger: FIRST, end_ledger: FIRST, from: cursor }, "this is a range"],
    ] as const) {
      const { error } = await read(server, ticket);
      expect(`${error!.code} ${error!.reason}`).toBe("INVALID_ARGUMENT CURSOR_OF_PARTITION");
      expect(error!.message).toContain(says);
    }
    const { error } = await read(server, { session: id, shard: { index: 3, count: 3 } });
    expect(error!.code).toBe("INVALID_ARGUMENT");
  });

  test("every cursor of every partition goes on right behind its batch, inside ledgers too", async () => {
    const request = { endLedger: FIRST + 27, batchSize: 7 };
    const session = await start(server, { ...request, partitions: COUNT });
    const parts = await Promise.all(shards(COUNT).map((shard) => read(server, { session, shard, from: "start" })));
    expectShared(
      parts.map(({ rows }) => rows),
      await wholeOf(request),
    );
    await ended(server, session);
    let inside = 0;
    for (const [index, part] of parts.entries()) {
      let rows = 0;
      for (const [batch, metadata] of part.metadata.entries()) {
        rows += metadata.rows;
        if (metadata.ledger_complete < metadata.ledger_last) inside += 1;
        if (batch % 9 !== index) continue;
        const shard = { index, count: COUNT };
        const rest = await read(server, { session, shard, from: metadata.cursor });
        expect(rest.error).toBeUndefined();
        expectSame(texts(rest.rows), texts(part.rows.slice(rows)));
      }
    }
    expect(inside).toBeGreaterThan(10);
  });

  test("a consumer that comes when the others are far ahead has missed nothing, and they do not wait for it", async () => {
    const request = { endLedger: FIRST + 699, batchSize: 50 };
    const session = await start(server, { ...request, partitions: COUNT });
    const [first, second] = shards(COUNT)
      .slice(0, 2)
      .map((shard) => read(server, { session, shard, from: "start" }));
    // Nobody reads the third: it holds the others back for the grace, and then no more.
    const early = await Promise.all([first!, second!]);
    await ended(server, session);
    const late = await read(server, { session, shard: { index: 2, count: COUNT }, from: "start" });
    expect(late.error).toBeUndefined();
    expectShared(
      [...early, late].map(({ rows }) => rows),
      await wholeOf(request),
    );
  });

  test("a partition that nobody reads keeps its batches while nobody waits for it", async () => {
    const session = await start(server, { endLedger: FIRST + 699, batchSize: 50, partitions: COUNT });
    await Bun.sleep(700);
    const { session: state } = await server.control.getSession({ sessionId: session });
    expect(state!.metrics!.currentLedger).toBeLessThan(FIRST + 699);
    const oldest = await Promise.all(shards(COUNT).map((shard) => read(server, { session, shard })));
    expectShared(
      oldest.map(({ rows }) => rows),
      await wholeOf({ endLedger: FIRST + 699 }),
    );
  });

  test("a slow consumer is ended with its cursor, the others go on, and it comes back", async () => {
    const request = { endLedger: FIRST + 699, batchSize: 100 };
    const session = await start(server, { ...request, partitions: COUNT });
    const [one, two, slow] = shards(COUNT).map((shard) => ({ session, shard, from: "start" }));
    let held = () => {};
    const release = new Promise<void>((resolve) => {
      held = resolve;
    });
    let batches = 0;
    const sleeping = read(server, slow!, async () => (++batches === 2 ? await release : undefined), 16 << 10);
    const others = await Promise.all([read(server, one!), read(server, two!)]);
    for (const { error } of others) expect(error).toBeUndefined();
    held();
    const cut = await sleeping;
    expect(`${cut.error!.code} ${cut.error!.reason}`).toBe("RESOURCE_EXHAUSTED SLOW_CLIENT");
    const rest = await read(server, { ...slow!, from: cut.cursor ?? "start" });
    expect(rest.error).toBeUndefined();
    expectShared([...others.map(({ rows }) => rows), [...cut.rows, ...rest.rows]], await wholeOf(request));
  });

  test("filters change for all partitions from the same ledger on", async () => {
    const request = { endLedger: FIRST + 699, batchSize: 20 };
    const whole = await wholeOf(request);
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

test("where the source cannot be read again, an unread partition is waited for, and no row is lost", async () => {
  const live = new ManyContractsSource(false);
  const server = await localServer(live, { "channel-buffer-size": "4", "slow-client-grace": "100ms" });
  try {
    const request = { endLedger: FIRST + 299, batchSize: 20 };
    const session = await start(server, { ...request, partitions: 3 });
    const [first, second] = shards(3)
      .slice(0, 2)
      .map((shard) => read(server, { session, shard }));
    await Bun.sleep(600);
    expect(await stateOf(server, session)).toBe(Status.RUNNING);
    const third = await read(server, { session, shard: { index: 2, count: 3 } });
    const parts = [await first!, await second!, third];
    for (const { error } of parts) expect(error).toBeUndefined();
    const whole = await read(server, { session: await start(server, request) });
    expectShared(
      parts.map(({ rows }) => rows),
      whole.rows,
    );
  } finally {
    await server.close();
  }
});

test("a stop whose deadline passes ends clients that lack rows with an error and their cursor, never as if it were all", async () => {
  const server = await localServer(source);
  try {
    source.tip = FIRST + 99;
    for (const partitions of [0, 2]) {
      const session = await start(server, { partitions, batchSize: 20 });
      const shard = partitions === 0 ? undefined : { index: 1, count: partitions };
      let go = () => {};
      const gate = new Promise<void>((resolve) => {
        go = resolve;
      });
      const reading = read(server, { session, shard, from: "start" }, () => gate, 16 << 10);
      await until(
        async () => (await server.control.getStatus({ sessionId: session })).currentLedger === FIRST + 99,
        "at the tip",
      );
      await server.control.stopProcessing({ sessionId: session, mode: StopMode.STOP_MODE_DRAIN, deadlineMs: 300 });
      go();
      const { rows, cursor, error } = await reading;
      expect(`${error?.code} ${error?.reason}`).toBe("CANCELLED STOP_DEADLINE");
      const plain = await start(server, { endLedger: FIRST + 99 });
      const whole = (await read(server, { session: plain, from: "start" })).rows;
      expect(rows.length).toBeLessThan(whole.length / Math.max(1, partitions));
      if (partitions > 0) continue;
      const rest = await read(server, { session: plain, from: cursor });
      expectSame([...texts(rows), ...texts(rest.rows)], texts(whole));
    }
  } finally {
    source.tip = Number.POSITIVE_INFINITY;
    await server.close();
  }
});

test("a stop that drains waits for the clients of all partitions", async () => {
  const server = await localServer(source);
  try {
    source.tip = FIRST + 99;
    const session = await start(server, { partitions: 3, batchSize: 20 });
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const reading = shards(3).map((shard) =>
      read(server, { session, shard, from: "start" }, () => (shard.index === 2 ? gate : undefined), 16 << 10),
    );
    await until(
      async () => (await server.control.getStatus({ sessionId: session })).currentLedger === FIRST + 99,
      "at the tip",
    );
    const mode = StopMode.STOP_MODE_DRAIN;
    const stopping = server.control.stopProcessing({ sessionId: session, mode, deadlineMs: 30_000 });
    let answered = false;
    void stopping.then(() => {
      answered = true;
    });
    await Promise.all(reading.slice(0, 2));
    await Bun.sleep(100);
    expect(answered).toBe(false);
    go();
    const parts = await Promise.all(reading);
    const { session: state } = await stopping;
    source.tip = Number.POSITIVE_INFINITY;
    for (const { error } of parts) expect(error).toBeUndefined();
    const { sessionId: plain } = await server.control.startProcessing({ startLedger: FIRST, endLedger: FIRST + 99 });
    const whole = (await read(server, { session: plain, from: "start" })).rows;
    expectShared(
      parts.map(({ rows }) => rows),
      whole,
    );
    expect(state!.deliveries.reduce((all, { rows }) => all + rows, 0)).toBe(whole.length);
  } finally {
    await server.close();
  }
});

test("after a restart the partitions go on, each consumer with its own cursor", async () => {
  const flags = { "data-dir": join(scratch, "state"), "checkpoint-interval": "50ms" };
  const request = { endLedger: FIRST + 279, batchSize: 33, partitions: 3 };
  source.tip = FIRST + 139;
  let server = await localServer(source, flags);
  const session = await start(server, request);
  const reading = shards(3).map((shard) => read(server, { session, shard, from: "start" }));
  await until(
    async () => (await server.control.getStatus({ sessionId: session })).currentLedger === FIRST + 139,
    "at the tip",
  );
  await Bun.sleep(100);
  const before = await server.control.getSession({ sessionId: session });
  await server.close();
  const first = await Promise.all(reading);
  for (const { error } of first) expect(error!.reason).toBe("SERVER_STOPPING");

  source.tip = Number.POSITIVE_INFINITY;
  server = await localServer(source, flags);
  try {
    const second = await Promise.all(
      shards(3).map((shard) => read(server, { session, shard, from: first[shard.index]!.cursor ?? "start" })),
    );
    for (const { error } of second) expect(error).toBeUndefined();
    const { sessionId: plain } = await server.control.startProcessing({ startLedger: FIRST, endLedger: FIRST + 279 });
    const whole = (await read(server, { session: plain, from: "start" })).rows;
    const parts = second.map(({ rows }, index) => [...first[index]!.rows, ...rows]);
    expectShared(parts, whole);
    await ended(server, session);
    const { session: state } = await server.control.getSession({ sessionId: session });
    expect(state).toMatchObject({ resumes: 1, request: { partitions: 3 } });
    expect(state!.partitions.map(({ rows }) => rows)).toEqual(parts.map((rows) => rows.length));
    for (const [index, { rowsDelivered }] of state!.partitions.entries()) {
      expect(rowsDelivered).toBeGreaterThanOrEqual(before.session!.partitions[index]!.rowsDelivered);
    }
  } finally {
    await server.close();
  }
});

test("when a worker dies every partition is ended with its cursor, and goes on when the session is resumed", async () => {
  source.tip = Number.POSITIVE_INFINITY;
  const threads = recordThreads();
  const server = await localServer(source, { "channel-buffer-size": "8" });
  threads.stop();
  try {
    const endLedger = FIRST + 5_999; // far more than are done before the worker is
    const session = await start(server, { partitions: 3, batchSize: 100, endLedger });
    let kill = () => {};
    const underWay = new Promise<void>((resolve) => {
      kill = resolve;
    });
    const reading = shards(3).map((shard) =>
      read(server, { session, shard, from: "start" }, ({ metadata }) => {
        if (metadata.length === 20) kill();
      }),
    );
    await underWay;
    // Both, since one alone may just have nothing of this session's.
    await Promise.all(threads.decoders.map((decoder) => decoder.terminate()));
    const first = await Promise.all(reading);
    for (const { error } of first) expect(error!.reason).toBe("WORKER_DIED");
    await until(async () => (await stateOf(server, session)) === Status.ERROR, "it failed");

    await server.control.resumeSession({ sessionId: session });
    const second = await Promise.all(
      shards(3).map((shard) => read(server, { session, shard, from: first[shard.index]!.cursor ?? "start" })),
    );
    for (const { error } of second) expect(error).toBeUndefined();
    const { sessionId: plain } = await server.control.startProcessing({ startLedger: FIRST, endLedger });
    const whole = (await read(server, { session: plain, from: "start" })).rows;
    expectShared(
      second.map(({ rows }, index) => [...first[index]!.rows, ...rows]),
      whole,
    );
  } finally {
    await server.close();
  }
});

test("SIGKILL takes no row of any partition, and gives none twice; counts are exact all the same", async () => {
  const flags = [
    `--source-endpoint=repeat:${SAMPLE.folder}`,
    `--data-dir=${join(scratch, "killed")}`,
    "--checkpoint-interval=50ms",
    "--include-deleted",
    "--worker-count=2",
    "--channel-buffer-size=8",
  ];
  const count = 4;
  const request = { startLedger: FIRST, endLedger: FIRST + 1399, batchSize: 25 };
  const parts = shards(count).map(() => ({ rows: [] as Row[], cursor: "start" }));
  let session = "";
  for (let kills = 0; kills <= 3; kills++) {
    const processor = await startProcessor(flags);
    const control = connectControl(processor.control);
    const [reached, kill] = [Math.ceil(30 * (kills + 1)), kills < 3];
    try {
      if (session === "") session = (await control.startProcessing({ ...request, partitions: count })).sessionId;
      let batches = 0;
      const read = await Promise.all(
        parts.map(async (part, index) => {
          const ticket = { session, shard: { index, count }, from: part.cursor };
          return await readAt(processor.flight, ticket, () => {
            if (++batches === reached && kill) processor.kill("SIGKILL");
          });
        }),
      );
      for (const [index, { rows, cursor, error }] of read.entries()) {
        parts[index]!.rows.push(...rows);
        parts[index]!.cursor = cursor ?? parts[index]!.cursor;
        if (!kill) expect(error).toBeUndefined();
      }
      if (kill) {
        expect(await processor.exited).not.toBe(0);
        continue;
      }
      const { sessionId: plain } = await control.startProcessing(request);
      const whole = await readAt(processor.flight, { session: plain, from: "start" });
      expectShared(
        parts.map(({ rows }) => rows),
        whole.rows,
      );
      const { session: state } = await control.getSession({ sessionId: session });
      expect(state!.partitions.map(({ rows }) => rows)).toEqual(parts.map(({ rows }) => rows.length));
      expect(state!.metrics!.contractsProcessed).toBe(whole.rows.length);
    } finally {
      control.close();
      if (!kill) await processor.stop();
    }
  }
});
