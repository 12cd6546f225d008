/** Tickets and cursors of partitions: which are refused, and that reading goes on from each, over restarts and deaths too. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectControl } from "../../src/control/client.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { recordThreads } from "../regressions/threads.ts";
import { failureOf } from "../support/failure.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { ManyContractsSource } from "../support/many-contracts.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import {
  COUNT,
  COUNT_FLAGS,
  ended,
  expectSame,
  expectShared,
  FIRST,
  type Row,
  read,
  readAt,
  shards,
  start,
  stateOf,
  texts,
  wholeOf,
} from "./partitions-support.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-partitions-"));
const source = new ManyContractsSource();

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

describe("with three partitions", () => {
  let server: LocalServer;
  beforeAll(async () => {
    server = await localServer(source, COUNT_FLAGS);
  });
  afterAll(async () => {
    await server.close();
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
        "partition 1 of 3, and the request of partition 2",
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
      await wholeOf(server, request),
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
  try {
    const endLedger = FIRST + 2_399; // far more than are done before the worker is
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
    threads.stop();
    // All of them, since one alone may just have nothing of this session's.
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
