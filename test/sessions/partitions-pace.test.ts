/** Consumers of one session that read at different paces: who waits for whom, who is ended, and what a stop leaves. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { GetStatusResponse_Status as Status, StopMode } from "../../src/grpc/generated/control.ts";
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
  read,
  shards,
  start,
  stateOf,
  texts,
  wholeOf,
} from "./partitions-support.ts";

const source = new ManyContractsSource();

describe("with three partitions", () => {
  let server: LocalServer;
  beforeAll(async () => {
    server = await localServer(source, COUNT_FLAGS);
  });
  afterAll(async () => {
    await server.close();
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
      await wholeOf(server, request),
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
      await wholeOf(server, { endLedger: FIRST + 699 }),
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
    expectShared([...others.map(({ rows }) => rows), [...cut.rows, ...rest.rows]], await wholeOf(server, request));
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
