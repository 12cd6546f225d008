/**
 * Defects 1 to 4 of the original: a session without a client failed; a slow client lost batches silently; two clients
 * each got half; sessions never completed, and their streams never ended.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connectControl } from "../../src/control/client.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { readRows } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const CYCLES = 10;
const RANGE = { startLedger: 1000, endLedger: 1000 + CYCLES * 7 - 1 };
const ROWS = CYCLES * SAMPLE.rows;

let processor: Processor;
beforeAll(async () => {
  processor = await startProcessor([
    ...[`--source-endpoint=repeat:${SAMPLE.folder}`, "--include-deleted", "--worker-count=2"],
    "--channel-buffer-size=3",
  ]);
});
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
});

test("1, 4: a session with no client waits, loses nothing, and is STOPPED when its last batch is in", async () => {
  const control = connectControl(processor.control);
  const { sessionId } = await control.startProcessing({ ...RANGE, batchSize: 100 });
  await Bun.sleep(1500);
  const waiting = await control.getStatus({ sessionId });
  expect(waiting.status).toBe(Status.RUNNING);
  expect(waiting.currentLedger).toBeLessThan(RANGE.endLedger);
  const { rows, error } = await readRows(processor.flight, { session: sessionId });
  expect(error).toBeUndefined(); // the stream ended with OK
  expect(rows).toHaveLength(ROWS);
  await until(async () => (await control.getStatus({ sessionId })).status === Status.STOPPED, "STOPPED");
  expect((await control.getStatus({ sessionId })).currentLedger).toBe(RANGE.endLedger);
  control.close();
});

test("2, 3: two clients of one session, one of them slow, each get every row", async () => {
  const control = connectControl(processor.control);
  const { sessionId } = await control.startProcessing({ ...RANGE, batchSize: 100 });
  control.close();
  const ticket = { session: sessionId, from: "start" };
  const slowly = async () => {
    const rows: string[] = [];
    let from = "start";
    for (;;) {
      const part = await readRows(processor.flight, { session: sessionId, from }, { batchesMax: 2 });
      if (part.batches.length === 0) return rows;
      rows.push(...part.rows);
      from = part.batches.at(-1)!.metadata.cursor;
      await Bun.sleep(20);
    }
  };
  const [fast, slow] = await Promise.all([readRows(processor.flight, ticket), slowly()]);
  expect(fast.rows).toHaveLength(ROWS);
  expect(slow).toHaveLength(ROWS);
  expect(slow.findIndex((row, index) => row !== fast.rows[index])).toBe(-1);
});
