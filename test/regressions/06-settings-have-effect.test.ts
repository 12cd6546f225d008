/**
 * Defect 6: FLUSH_INTERVAL, MAX_MEMORY_MB, CHANNEL_BUFFER_SIZE, LOG_LEVEL and the request's batch_size had no effect.
 */
import { describe, expect, test } from "bun:test";
import type { SessionSnapshot } from "../../src/sessions/session-service.ts";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { buildLedger, created, scU32 } from "../ledger/build.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";
import { CountedSource, expectRows, MadeSource, sampleRows, TestServer, untilHeldBack } from "./support.ts";

describe("batch size", () => {
  /** Rows of each batch of the sample's dense ledger, ten times over. */
  async function batchRows(settings: Record<string, string>, requested: number): Promise<number[]> {
    await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder), settings);
    const id = await server.startSession(SAMPLE.first, SAMPLE.first + 69, requested);
    const reader = await server.read({ session: id }).rest();
    expectRows(reader, sampleRows(SAMPLE.first, SAMPLE.first + 69));
    return reader.batches.map(({ table }) => table.numRows);
  }

  test("the request's batch_size wins, then BATCH_SIZE; unset is about a MiB, at least 1000 rows", async () => {
    const asked = await batchRows({ BATCH_SIZE: "70" }, 40);
    expect(Math.max(...asked)).toBe(40);
    expect(asked.filter((rows) => rows === 40).length).toBeGreaterThan(asked.length / 2);
    const configured = await batchRows({ BATCH_SIZE: "70" }, 0);
    expect(Math.max(...configured)).toBe(70);
    const unset = await batchRows({}, 0);
    expect(Math.max(...unset)).toBeGreaterThanOrEqual(1000);
  });
});

describe("FLUSH_INTERVAL", () => {
  /** Batches that 192 ledgers of one row make when each takes the source 2 ms, without ever yielding the thread. */
  async function batches(flushInterval: string): Promise<number> {
    const source = new MadeSource((sequence) => {
      for (const until = performance.now() + 2; performance.now() < until; ) {}
      return buildLedger({ sequence, transactions: [{ operations: [[created({ key: scU32(1) })]] }] });
    });
    await using server = await TestServer.start(source, { FLUSH_INTERVAL: flushInterval });
    const id = await server.startSession(1, 192);
    const reader = await server.read({ session: id }).rest();
    expect(reader.rows).toBe(192);
    return reader.batches.length;
  }

  test("rows wait no longer than that for a batch to fill", async () => {
    expect(await batches("1h")).toBeLessThanOrEqual(48); // 3 if nothing else closes a span, such as memory
    expect(await batches("1ms")).toBeGreaterThanOrEqual(96); // two ledgers at most
  });
});

/** What a session without a client makes before it waits. */
async function heldBack(settings: Record<string, string>, batchSize: number): Promise<SessionSnapshot> {
  const source = new CountedSource(await RepeatingSource.open(SAMPLE.folder));
  await using server = await TestServer.start(source, settings);
  const id = await server.startSession(1000, 0, batchSize);
  return await untilHeldBack(source, () => server.session(id));
}

test("CHANNEL_BUFFER_SIZE decides how many batches wait for a client", async () => {
  // the worker has at most 2 spans of some 1700 rows in flight
  const inFlight = 2 * 40;
  const few = await heldBack({ CHANNEL_BUFFER_SIZE: "1", MAX_MEMORY_MB: "4096" }, 50);
  expect(few.batchesCreated).toBeLessThanOrEqual(1 + inFlight);
  const many = await heldBack({ CHANNEL_BUFFER_SIZE: "300", MAX_MEMORY_MB: "4096" }, 50);
  expect(many.batchesCreated).toBeGreaterThanOrEqual(300);
  expect(many.batchesCreated).toBeLessThanOrEqual(300 + inFlight);
});

test("MAX_MEMORY_MB decides how many bytes of batches wait for a client", async () => {
  const settings = { CHANNEL_BUFFER_SIZE: "10000", SESSIONS_MAX: "8" };
  const little = await heldBack({ ...settings, MAX_MEMORY_MB: "384" }, 0);
  const much = await heldBack({ ...settings, MAX_MEMORY_MB: "512" }, 0);
  expect(little.batchBytes).toBeLessThan(384 << 20);
  expect(much.batchBytes).toBeLessThan(512 << 20);
  expect(much.batchBytes).toBeGreaterThan(1.5 * little.batchBytes);
});

test("LOG_LEVEL decides what is logged", async () => {
  const [info, error] = await Promise.all(
    ["info", "error"].map(async (level) => {
      const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=1"], {
        env: { LOG_LEVEL: level },
      });
      expect(await processor.stop()).toBe(0);
      return processor.output();
    }),
  );
  expect(info).toContain('"level":"info","message":"shutting down"');
  expect(error).not.toContain('"level":"info"');
});
