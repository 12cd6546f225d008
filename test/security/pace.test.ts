/** A name is sent so many bytes in a second, over all its streams; it waits, and loses nothing. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { CodedError } from "../../src/error.ts";
import type { FlightClient } from "../../src/flight-client/client.ts";
import { readAccessFile } from "../../src/security/access-file.ts";
import { NamePaces } from "../../src/security/name-pace.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { type GuardedServer, SLOW_READER_PACE, startGuarded } from "./support.ts";

const DEFAULT_PACE = 512 << 10;
const AHEAD_SECONDS = 1; // what a name that has rested may have at once
const BATCH_BYTES_MAX = 64 << 10;
const CYCLES = 2; // of the sample, 258 kB each, in a stream

const reasonOf = (thrown: unknown) => CodedError.from(thrown).reason;

let server: GuardedServer;

beforeAll(async () => {
  server = await startGuarded({
    LOG_LEVEL: "error",
    SOURCE_ENDPOINT: `repeat:${SAMPLE.folder}`,
    BATCH_SIZE: "20",
    CHANNEL_BUFFER_SIZE: "2",
    SLOW_CLIENT_GRACE: "500ms",
    NAME_BYTES_PER_SECOND_MAX: `${DEFAULT_PACE}`,
  });
}, 60_000);
afterAll(() => server.close());

interface Got {
  rows: number;
  bytes: number;
  seconds: number;
}

async function read(
  client: FlightClient,
  ticket: object,
  got: Got = { rows: 0, bytes: 0, seconds: 0 },
  signal?: AbortSignal,
): Promise<Got> {
  const begun = performance.now();
  for await (const { metadata, bytes } of client.doGet(Buffer.from(JSON.stringify(ticket)), signal)) {
    got.rows += metadata.rows;
    got.bytes += bytes;
    got.seconds = (performance.now() - begun) / 1000;
  }
  return got;
}

const ledgerEnd = SAMPLE.first + 7 * CYCLES - 1;
const range = { start_ledger: SAMPLE.first, end_ledger: ledgerEnd, batch_size: 20, filters: { include_deleted: true } };

test("what is sent moves the moment at which a name is even; names wait for themselves alone", () => {
  let now = 10_000;
  const paces = new NamePaces(() => now);
  const identity = { name: "a", bytesPerSecondMax: 1000 };
  expect(paces.sent(identity, 1000)).toBe(0); // it has rested
  expect(paces.sent(identity, 500)).toBe(500);
  expect(paces.sent(identity, 500)).toBe(1000); // another stream of it
  expect(paces.sent({ ...identity, name: "b" }, 1000)).toBe(0);
  expect(paces.sent({ name: "c" }, 1e9)).toBe(0);
  now += 1000;
  expect(paces.sent(identity, 0)).toBe(0);
  now += 60_000;
  expect(paces.sent(identity, 1500)).toBe(500); // a rest counts for a second
});

test("two ranges of a name share its pace, and have all their rows", async () => {
  const both = await Promise.all([0, 1].map(() => read(server.flight("reader"), range)));
  expect(both.map(({ rows }) => rows)).toEqual([SAMPLE.rows * CYCLES, SAMPLE.rows * CYCLES]);
  const bytes = both.reduce((sum, each) => sum + each.bytes, 0);
  const seconds = Math.max(...both.map((each) => each.seconds));
  expect(bytes).toBeGreaterThan(DEFAULT_PACE * 1.5); // else it shows nothing
  expect(bytes).toBeLessThan(DEFAULT_PACE * (seconds + AHEAD_SECONDS) + 2 * BATCH_BYTES_MAX);
}, 60_000);

test("in a session nobody waits for it, and it goes on from the source", async () => {
  const cycles = 40; // more than a session has in flight
  const request = { startLedger: SAMPLE.first, endLedger: SAMPLE.first + 7 * cycles - 1 };
  const { sessionId } = await server.control("operator").startProcessing(request);
  const ticket = { session: sessionId, from: "start" };
  const leave = new AbortController();
  const slow: Got = { rows: 0, bytes: 0, seconds: 0 };
  const slowEnds = read(server.flight("slow-reader"), ticket, slow, leave.signal).catch(reasonOf);
  await until(() => slow.rows > 0, "its first batch");
  const fast = await read(server.flight("admin"), ticket);
  const { rows } = slow;
  expect([fast.rows, rows < fast.rows / 2]).toEqual([SAMPLE.rows * cycles, true]);
  await until(() => slow.rows > rows + 100, "batches that the session no longer holds");
  expect(slow.bytes).toBeLessThan(SLOW_READER_PACE * (slow.seconds + AHEAD_SECONDS) + BATCH_BYTES_MAX);
  leave.abort();
  expect(await slowEnds).not.toBe("SLOW_CLIENT");
}, 60_000);

test("a pace below the least is refused with both numbers", () => {
  const file = `${server.env.ACCESS_FILE}-wrong`;
  writeFileSync(file, '{"names":{"a":{"role":"reader","bytes_per_second_max":1000}}}');
  try {
    readAccessFile(file);
    throw new Error("it was accepted");
  } catch (thrown) {
    expect(CodedError.from(thrown).message).toContain("names.a.bytes_per_second_max");
    expect(CodedError.from(thrown).message).toContain("65536");
  }
});
