/** Defect 19: ten of thirteen Prometheus metrics stayed 0, /health was a constant, /ready was 404. */
import { describe, expect, test } from "bun:test";
import { Lake } from "../../src/sources/lake/lake.ts";
import { lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { batchOf, SINGLE, TemporaryLake } from "../sources/lake-fixture.ts";
import { PUBNET } from "../support/networks.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { sampleLedgers, sampleRows, TestServer } from "./support.ts";
import { recordThreads } from "./threads.ts";

const METRIC = {
  rows: "contract_data_contracts_processed_total",
  skipped: "contract_data_entries_skipped_total",
  batches: "contract_data_batches_created_total",
  bytes: "contract_data_bytes_processed_total",
  errors: "contract_data_processing_errors_total",
  durations: "contract_data_processing_duration_seconds_count",
  durationSum: "contract_data_processing_duration_seconds_sum",
  ledger: "contract_data_current_ledger",
  sessions: "contract_data_active_sessions",
  clients: "contract_data_flight_clients_connected",
  sent: "contract_data_flight_records_streamed_total",
} as const;

const FIRST = 4032;
const BAD = 4080;
const LAST = 4095;

/** The sample's ledgers as a lake, one of them bad. */
async function lakeWithBadLedger(): Promise<TemporaryLake> {
  const lake = new TemporaryLake(SINGLE, { networkPassphrase: PUBNET });
  const ledger = await sampleLedgers();
  for (let sequence = FIRST; sequence <= LAST; sequence++) {
    const bytes = await ledger(sequence);
    const content = batchOf(sequence, sequence, () => (sequence === BAD ? bytes.slice(0, -8) : bytes));
    lake.write(lakeKey(SINGLE, sequence), new Uint8Array(Bun.zstdCompressSync(content)));
  }
  return lake;
}

function deletedRows(lines: string[]): number {
  return lines.filter((line) => line.split("\t")[9] === "true").length;
}

test("each metric moves, by exactly what happened", async () => {
  using lake = await lakeWithBadLedger();
  await using server = await TestServer.start(await Lake.open(lake.folder), { INCLUDE_DELETED: "false" });
  const at = async (name: keyof typeof METRIC) => (await server.metrics()).get(METRIC[name]);
  for (const name of Object.keys(METRIC) as (keyof typeof METRIC)[]) expect(await at(name)).toBe(0);

  // A session that runs on until it is stopped, waiting for the next ledger, with two clients.
  const running = await server.startSession(LAST - 13, 0, 30);
  expect(await at("sessions")).toBe(1);
  const readers = [server.read({ session: running }), server.read({ session: running })];
  const firstRows = sampleRows(LAST - 13, LAST);
  const kept = firstRows.length - deletedRows(firstRows);
  await Promise.all(
    readers.map(async (reader) => {
      while (reader.rows < kept) await reader.next();
    }),
  );
  await until(async () => (await at("ledger")) === LAST, "the last ledger is counted");
  expect(await at("clients")).toBe(2);
  expect(await at("rows")).toBe(kept);
  // A span's totals follow its last batch.
  await until(async () => (await at("skipped")) === deletedRows(firstRows), "what the filter left out is counted");
  const { batchesCreated } = server.session(running);
  expect(batchesCreated).toBeGreaterThanOrEqual(readers[0]!.batches.length); // progress without rows may follow
  await until(async () => (await at("batches"))! >= batchesCreated, "batches are counted");
  expect(await at("durations")).toBe(14);
  expect(await at("durationSum")).toBeGreaterThan(0);
  await until(async () => (await at("sent")) === 2 * kept, "both clients' rows are counted");
  expect(await at("bytes")).toBe(server.session(running).bytesProcessed);
  expect(await at("errors")).toBe(0);

  // One that fails; the totals are those of both.
  const failing = await server.startSession(FIRST, LAST, 30);
  const reader = server.read({ session: failing });
  await reader.failure();
  await server.reached(failing, "ERROR");
  const rows = sampleRows(FIRST, BAD - 1);
  expect(await at("errors")).toBe(1);
  expect(await at("sessions")).toBe(1);
  expect(await at("rows")).toBe(kept + rows.length - deletedRows(rows));
  expect(await at("bytes")).toBe(server.session(running).bytesProcessed + server.session(failing).bytesProcessed);
  await until(async () => (await at("sent")) === 2 * kept + reader.rows, "its client's rows are counted");

  await server.control.stopProcessing({ sessionId: running });
  await Promise.all(readers.map((each) => each.rest()));
  expect(await at("sessions")).toBe(0);
  await until(async () => (await at("clients")) === 0, "the clients are gone");
});

test("counters never fall, however many sessions come and go", async () => {
  await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder));
  let rows = 0;
  for (let run = 0; run < 40; run++) {
    const first = 700 + run * 7;
    const session = await server.startSession(first, first + 6);
    rows += (await server.read({ session }).rest()).rows;
    await server.reached(session, "STOPPED");
    expect((await server.metrics()).get(METRIC.rows)).toBe(rows);
  }
  expect(rows).toBe(40 * SAMPLE.rows);
});

describe("health", () => {
  test("/health and /ready are 200 while everything serves, and name the parts", async () => {
    await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder));
    for (const path of ["/health", "/ready", "/readyz"]) {
      const { status, text } = await server.get(path);
      expect(status).toBe(200);
      const report = JSON.parse(text) as { status: string; components: Record<string, unknown> };
      expect(report).toMatchObject({ service: "contract-data-processor", status: "healthy", ready: true });
      expect(report.components).toMatchObject({
        control: { healthy: true, ready: true },
        flight: { healthy: true, ready: true },
      });
    }
  });

  test("/health tells when a part has died that only a restart can bring back, and the process is told", async () => {
    const threads = recordThreads();
    const server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder));
    threads.stop();
    await threads.dataPlane[0]!.terminate();
    await expect(server.processor.failed).rejects.toMatchObject({ reason: "DATA_PLANE_DIED" });
    const { status, text } = await server.get("/health");
    expect(status).toBe(503);
    expect(JSON.parse(text)).toMatchObject({
      status: "unhealthy",
      components: { control: { healthy: true }, flight: { healthy: false } },
    });
    expect((await server.get("/ready")).status).toBe(503);
    await server[Symbol.asyncDispose]();
  });
});
