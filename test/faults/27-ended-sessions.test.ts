/** A session that is over is read whole by whoever names no place, though its batches have made room for others. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connectControl } from "../../src/control/client.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { flightCalls, readRows } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const LATER = 8; // sessions that are started behind the first: their batches take its room
let processor: Processor;
const sessions: string[] = [];

beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--include-deleted", "--worker-count=2"]);
  const control = connectControl(processor.control);
  for (let count = 0; count < 2 + LATER; count++) {
    const partitions = count === 1 ? 4 : 0;
    const request = { startLedger: SAMPLE.first, endLedger: SAMPLE.last, partitions };
    const { sessionId } = await control.startProcessing(request);
    sessions.push(sessionId);
    await until(async () => (await control.getStatus({ sessionId })).status === Status.STOPPED, "complete");
  }
  control.close();
}, 120_000);
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
});

test("without from, from start, and by the endpoints of GetFlightInfo", async () => {
  const [session] = sessions as [string];
  for (const ticket of [{ session }, { session, from: "start" }]) {
    const { rows, error } = await readRows(processor.flight, ticket);
    expect([error, rows.length]).toEqual([undefined, SAMPLE.rows]);
  }
  const calls = flightCalls(processor.flight);
  const info = await calls.getFlightInfo({ type: 1, path: ["contract", "data", session] });
  calls.close();
  expect(info.totalRecords).toBe(SAMPLE.rows);
  const { rows } = await readRows(
    processor.flight,
    JSON.parse(Buffer.from(info.endpoint[0]!.ticket!.ticket).toString()),
  );
  expect(rows.length).toBe(SAMPLE.rows);
});

test("each of its partitions", async () => {
  let total = 0;
  for (let index = 0; index < 4; index++) {
    const { rows } = await readRows(processor.flight, { session: sessions[1], shard: { index, count: 4 } });
    total += rows.length;
  }
  expect(total).toBe(SAMPLE.rows);
});
