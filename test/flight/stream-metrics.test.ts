/** What each stream and each client had: every number of the `streams` action and of /metrics moves, by what happened. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { actionJson, readRows } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const FIRST = 1000;
const CYCLES = 40;
const LAST = FIRST + CYCLES * 7 - 1;

interface ClientJson {
  batches: number;
  rows: number;
  bytes: number;
  lag_ledgers: number;
  lag_batches: number;
  lag_bytes: number;
  blocked_ms: number;
  mode: string;
  cursor: string;
}
interface StreamJson {
  session?: string;
  rows_sent: number;
  bytes_sent: number;
  retained_bytes: number;
  clients: ClientJson[];
}

let processor: Processor;
beforeAll(async () => {
  processor = await startProcessor([
    `--source-endpoint=repeat:${SAMPLE.folder}`,
    ...["--include-deleted", "--worker-count=2", "--channel-buffer-size=6", "--slow-client-grace=400ms"],
  ]);
});
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
});

async function metrics(): Promise<{ value: (name: string) => number; names: string[] }> {
  const text = await (await fetch(`http://${processor.http}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith("contract_data_flight_"));
  const values = new Map(lines.map((line) => line.split(" ") as [string, string]));
  return { value: (name) => Number(values.get(`contract_data_flight_${name}`)), names: [...values.keys()] };
}

test("batches, rows, bytes, lag and time blocked move for each client, and in all", async () => {
  const control = connectControl(processor.control);
  const range = { startLedger: FIRST, endLedger: LAST, batchSize: 300 };
  const { sessionId: session } = await control.startProcessing(range);
  control.close();
  const streamNow = async () => {
    const { streams } = await actionJson<{ streams: StreamJson[] }>(processor.flight, "streams");
    return streams.find((stream) => stream.session === session)!;
  };
  const before = await metrics();
  expect(before.value("batches_sent_total")).toBe(0);

  // A client that stops after a batch; alone, it holds the source back, and nobody ends it.
  const client = new FlightClient(processor.flight, { windowBytes: 65_536 });
  const reading = client.doGet(Buffer.from(JSON.stringify({ session, from: "start" })));
  await reading.next();
  await until(async () => (await streamNow()).clients[0]!.lag_batches >= 5, "the client is behind");
  const stuck = (await streamNow()).clients[0]!;
  expect(stuck.batches).toBeGreaterThan(0);
  expect(stuck.rows).toBeGreaterThan(0);
  expect(stuck.bytes).toBeGreaterThan(stuck.rows * 100);
  expect(stuck.lag_ledgers).toBeGreaterThan(0);
  expect(stuck.lag_bytes).toBeGreaterThan(stuck.lag_batches * 1000);
  expect(stuck.mode).toBe("following");
  await until(async () => (await metrics()).value("lag_bytes") > 0, "the lag is in /metrics");
  expect((await metrics()).value("lag_ledgers_max")).toBeGreaterThan(0);
  expect((await metrics()).value("clients_connected")).toBe(1);

  // Another reads all; the first is ended for it.
  const { rows, error } = await readRows(processor.flight, { session, from: "start" });
  expect([rows.length, error]).toEqual([CYCLES * SAMPLE.rows, undefined]);
  const stream = await streamNow();
  expect(stream.rows_sent).toBeGreaterThanOrEqual(rows.length + stuck.rows);
  expect(stream.bytes_sent).toBeGreaterThan(stuck.bytes);
  const ended = await reading
    .next()
    .then(
      async () => {
        for await (const _ of reading);
        return "";
      },
      (thrown: { reason: string }) => thrown.reason,
    )
    .catch((thrown: { reason: string }) => thrown.reason);
  // Where the other took more than FLUSH_STILL_MS_MAX, the stream is reset with the nearest code: no trailers, no reason.
  expect(ended).toBeOneOf(["SLOW_CLIENT", "GRPC_RESOURCE_EXHAUSTED"]);
  client.close();

  // The other is gone and has been counted.
  await until(async () => (await metrics()).value("clients_connected") === 0, "nobody reads");
  await until(async () => (await metrics()).value("lag_bytes") === 0, "nobody is behind");
  const after = await metrics();
  expect(after.value("records_streamed_total")).toBe(stream.rows_sent);
  expect(after.value("bytes_sent_total")).toBe(stream.bytes_sent);
  expect(after.value("batches_sent_total")).toBeGreaterThan(stuck.batches);
  expect(after.value("blocked_seconds_total")).toBeGreaterThan(0);
  expect(after.value("slow_clients_ended_total")).toBe(1);
  expect(after.value('gets_total{outcome="completed"}')).toBe(1);
  expect(after.value('gets_total{outcome="failed"}')).toBe(1);
  expect(after.names).toEqual(before.names); // no label comes with a session or a client
});
