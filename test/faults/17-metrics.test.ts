/** What each metric counts is what its help says: with sessions, partitions, catch-ups and ranges side by side. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { TestServer } from "../regressions/support.ts";
import { ROOT, SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";

const CYCLE = 7; // ledgers of the sample
const FIRST = 700;
const CYCLES = 10;
const LAST = FIRST + CYCLES * CYCLE - 1;
const ROWS = CYCLES * SAMPLE.rows;
const PARTITIONS = 3;

test("each metric counts what its help says of sessions, partitions, catch-ups and ranges", async () => {
  const source = await RepeatingSource.open(SAMPLE.folder);
  await using server = await TestServer.start(source, { CHANNEL_BUFFER_SIZE: "2" });
  const all = () => server.metrics();
  const at = async (name: string) => (await all()).get(`contract_data_${name}`);
  /** Counters of what was sent follow the last batch. */
  const becomes = async (name: string, value: number) =>
    expect(await until(async () => (await at(name)) === value, `${name} is ${value}`)).toBe(true);
  /** Reads to the end; resolves with the batches, those without rows too. */
  const read = async (ticket: object) => {
    const reader = await server.read(JSON.stringify(ticket)).rest();
    return { rows: reader.rows, batches: reader.batches.length };
  };

  // A session, read once while it runs, and once from its start when its first batches are gone: a catch-up.
  const session = await server.startSession(FIRST, LAST, 300);
  const live = await read({ session, from: "start" });
  expect(live.rows).toBe(ROWS);
  await server.reached(session, "STOPPED");
  expect(await at("contracts_processed_total")).toBe(ROWS);
  await becomes("flight_records_streamed_total", ROWS);
  const made = { bytes: await at("bytes_processed_total"), batches: await at("batches_created_total") };
  const durations = (await at("processing_duration_seconds_count"))!;
  expect(durations).toBe(CYCLES * CYCLE);
  const caughtUp = await read({ session, from: "start" });
  expect(caughtUp.rows).toBe(ROWS);
  await becomes("flight_records_streamed_total", 2 * ROWS);
  await becomes("flight_batches_sent_total", live.batches + caughtUp.batches);
  const decodedAgain = (await at("processing_duration_seconds_count"))! - durations;
  expect(decodedAgain).toBeGreaterThan(0); // the catch-up was one

  // A range: sent, and no session's.
  const range = await read({ start_ledger: FIRST, end_ledger: FIRST + CYCLE - 1 });
  expect(range.rows).toBe(SAMPLE.rows);
  await becomes("flight_records_streamed_total", 2 * ROWS + SAMPLE.rows);
  await becomes("flight_batches_sent_total", live.batches + caughtUp.batches + range.batches);
  expect(await at("processing_duration_seconds_count")).toBe(durations + decodedAgain + CYCLE);
  expect(await at("contracts_processed_total")).toBe(ROWS);
  expect(await at("bytes_processed_total")).toBe(made.bytes);
  expect(await at("batches_created_total")).toBe(made.batches);

  // A session with partitions: rows once, whoever gets which of them.
  const started = await server.control.startProcessing({ startLedger: FIRST, endLedger: LAST, partitions: PARTITIONS });
  const shards = Array.from({ length: PARTITIONS }, (_, index) => ({ index, count: PARTITIONS }));
  const reads = shards.map((shard) => read({ session: started.sessionId, from: "start", shard }));
  const parts = await Promise.all(reads);
  expect(parts.reduce((sum, { rows }) => sum + rows, 0)).toBe(ROWS);
  await server.reached(started.sessionId, "STOPPED");
  expect(await at("contracts_processed_total")).toBe(2 * ROWS);
  expect(await at("bytes_processed_total")).toBe(2 * made.bytes!);
  await becomes("flight_records_streamed_total", 3 * ROWS + SAMPLE.rows);
  const ofPartitions = [...(await all())].find(
    ([name]) => name.startsWith("contract_data_session_rows_total") && name.includes(started.sessionId),
  );
  expect(ofPartitions?.[1]).toBe(ROWS);

  // Who is connected: a range that is being read counts as a session's reader does.
  const open = server.read(JSON.stringify({ start_ledger: FIRST, end_ledger: 0 }));
  await open.next();
  await becomes("flight_clients_connected", 1);
  expect(await at("flight_ranges")).toBe(1);
  await open.cancel();
  await until(async () => (await at("flight_clients_connected")) === 0, "nobody reads");
  await becomes('flight_gets_total{outcome="completed"}', 3 + PARTITIONS);
  await becomes('flight_gets_total{outcome="cancelled"}', 1);
});

test("every metric says what it counts, and docs/operations.md says the same", async () => {
  await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder));
  await server.startSession(FIRST, LAST);
  const { text } = await server.get("/metrics");
  const helps = [...text.matchAll(/^# HELP (\S+) (.+)$/gm)].map(([, name, help]) => [name!, help!] as const);
  expect(helps.length).toBeGreaterThan(30);
  const docs = await Bun.file(join(ROOT, "docs", "operations.md")).text();
  const missing = helps.filter(([name, help]) => !docs.includes(`| \`${name}\` | ${help} |`));
  expect(missing).toEqual([]);
  // Rows, batches, bytes and ledgers are of sessions alone or of more, and each says which.
  const counts = helps.filter(([name]) =>
    /processed|skipped|created|streamed|sent|blocked|duration|stage|gets/.test(name),
  );
  const silent = counts.filter(([name, help]) => !name.includes("flowctl") && !/session|those batches/i.test(help));
  expect(silent.filter(([name]) => !name.startsWith("contract_data_session_"))).toEqual([]);
});
