/** Defect 1: a session with no Flight client connected failed at its first full batch. */
import { expect, test } from "bun:test";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { CountedSource, expectRows, sampleRows, TestServer, untilHeldBack } from "./support.ts";

const FIRST = 1000;
const LAST = FIRST + 399;
const SPAN_LEDGERS = 64; // the most that a span holds
const WORKERS = 2;
const SPANS_IN_FLIGHT = 2 * WORKERS;

test("batches wait for a client, the source waits with them, and nothing is lost", async () => {
  const source = new CountedSource(await RepeatingSource.open(SAMPLE.folder));
  await using server = await TestServer.start(source, { CHANNEL_BUFFER_SIZE: "4", WORKER_COUNT: `${WORKERS}` });
  const id = await server.startSession(FIRST, LAST, 50);

  // Everything that was begun is in order, and the source's next ledger waits for room.
  const held = await untilHeldBack(source, () => server.session(id));
  expect(held.state).toBe("RUNNING");
  expect(held.batchesCreated).toBeGreaterThanOrEqual(4);
  expect(held.ledgersProcessed).toBeLessThanOrEqual(SPANS_IN_FLIGHT * SPAN_LEDGERS);
  const counters = ({ ledgerCurrent, entriesProcessed, batchesCreated, bytesProcessed }: typeof held) =>
    [ledgerCurrent, entriesProcessed, batchesCreated, bytesProcessed].join(" ");
  for (let look = 0; look < 10; look++) {
    await Bun.sleep(20);
    expect(counters(server.session(id))).toBe(counters(held));
    expect(source.ledgers).toBe(held.ledgersProcessed + 1);
  }

  const { session } = await server.control.getSession({ sessionId: id });
  expect(session!.message).toMatch(/^waits for a reader: \d+ batches are held, and CHANNEL_BUFFER_SIZE is 4$/);

  const reader = await server.read({ session: id }).rest();
  expectRows(reader, sampleRows(FIRST, LAST));
  expect(reader.batches.every(({ table }) => table.numRows <= 50)).toBe(true);
  const done = await server.reached(id, "STOPPED");
  expect(done.entriesProcessed).toBe(reader.rows);
  expect(done.errors).toBe(0);
});

test("a session that waits for a client is stopped at once, and what it had is still there", async () => {
  await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder), { CHANNEL_BUFFER_SIZE: "1" });
  const id = await server.startSession(FIRST, 0);
  await until(() => server.session(id).batchesCreated > 0, "a batch waits");
  await server.control.stopProcessing({ sessionId: id });
  const { state, message, entriesProcessed, ledgerCurrent } = server.session(id);
  expect({ state, message }).toEqual({ state: "STOPPED", message: `cancelled after ledger ${ledgerCurrent}` });
  const reader = await server.read({ session: id }).rest();
  expect(reader.rows).toBe(entriesProcessed);
  expectRows(reader, sampleRows(FIRST, ledgerCurrent));
});
