/** Ranges that nobody reads kept every other range out, for as long as their clients answered pings. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { ServiceError } from "@grpc/grpc-js";
import { CodedError } from "../../src/error.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { DO_GET_PATH } from "../flight/flight-fixture.ts";
import { RawCall } from "../http2/raw-call.ts";
import { flightTotals, readRows } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";

const PLACES = 4; // RANGES_MAX
const GRACE_MS = 400; // SLOW_CLIENT_GRACE
const ROOM_MS_MAX = 30_000; // a busy machine takes long to fill a window
const WINDOW_BYTES = 65_536; // of the client that looks away: its library does not read ahead for it
const ENDLESS = { start_ledger: 1000, end_ledger: 0 };
const SHORT = { start_ledger: 1000, end_ledger: 1006 };

let processor: Processor;
let single: Processor; // RANGES_MAX=1
const calls: RawCall[] = [];
beforeAll(async () => {
  const start = (places: number) =>
    startProcessor([
      ...[`--source-endpoint=repeat:${SAMPLE.folder}`, "--include-deleted", "--worker-count=1"],
      ...[`--ranges-max=${places}`, `--slow-client-grace=${GRACE_MS}ms`],
    ]);
  [processor, single] = await Promise.all([start(PLACES), start(1)]);
});
afterAll(async () => {
  for (const call of calls) call.close();
  expect(await Promise.all([processor.stop(), single.stop()])).toEqual([0, 0]);
});

/** A client that grants no more than HTTP/2's first window, and answers pings. */
function unreadRange(): RawCall {
  const ticket = Buffer.from(JSON.stringify(ENDLESS));
  const call = new RawCall(
    Number(processor.flight.split(":")[1]),
    DO_GET_PATH,
    Buffer.concat([Buffer.from([0x0a, ticket.length]), ticket]),
  );
  calls.push(call);
  return call;
}

/** Reads the short range, once a range that nobody reads has stood still for the grace: until then it is refused. */
async function readWithRoom(address: string): ReturnType<typeof readRows> {
  const begun = performance.now();
  for (;;) {
    const reading = await readRows(address, SHORT);
    const isRefused = reading.error?.reason === "RANGES_MAX";
    if (!isRefused || performance.now() - begun > ROOM_MS_MAX) return reading;
    await Bun.sleep(50);
  }
}

const totals = () => flightTotals(processor.flight);

test("a range that nobody reads is ended for one that waits, with its cursor, and only then", async () => {
  const client = new FlightClient(single.flight, { windowBytes: WINDOW_BYTES });
  const first = client.doGet(Buffer.from(JSON.stringify(ENDLESS)))[Symbol.asyncIterator]();
  let rows = (await first.next()).value.table.numRows as number; // and then it looks away
  await Bun.sleep(3 * GRACE_MS);
  expect(await flightTotals(single.flight)).toMatchObject({ ranges: 1, slowClientsEnded: 0 }); // nobody waits

  const reading = await readWithRoom(single.flight);
  expect(reading.error).toBeUndefined();
  expect(reading.rows).toHaveLength(SAMPLE.rows);
  expect((await flightTotals(single.flight)).slowClientsEnded).toBe(1);

  const error = await (async () => {
    try {
      for (;;) rows += (await first.next()).value.table.numRows as number;
    } catch (thrown) {
      return CodedError.from(thrown);
    }
  })();
  client.close();
  expect([error.code, error.reason]).toEqual(["RESOURCE_EXHAUSTED", "SLOW_CLIENT"]);
  expect(error.message).toContain(`${GRACE_MS} ms`);
  const cursor = (error.cause as ServiceError).metadata.get("cursor")[0] as string;
  const end = 1000 + 7 * (1 + Math.ceil(rows / SAMPLE.rows)) - 1; // some whole cycles beyond what it has had
  const whole = await readRows(single.flight, { ...ENDLESS, end_ledger: end });
  const rest = await readRows(single.flight, { ...ENDLESS, end_ledger: end, from: cursor });
  expect(rest.rows).toEqual(whole.rows.slice(rows));
});

test("as many are ended as wait, whoever left before its turn not counted", async () => {
  const before = await totals();
  while ((await totals()).ranges! < PLACES) {
    unreadRange();
    await Bun.sleep(50);
  }
  const abort = new AbortController();
  const gone = readRows(processor.flight, SHORT, { signal: abort.signal });
  abort.abort();
  await gone;
  expect((await totals()).ranges).toBe(PLACES);
  const readings = await Promise.all([1, 2, 3].map(() => readWithRoom(processor.flight)));
  for (const { rows, error } of readings) expect([rows.length, error]).toEqual([SAMPLE.rows, undefined]);
  const ended = (await totals()).slowClientsEnded! - before.slowClientsEnded!;
  expect(ended).toBeGreaterThan(0);
  expect(ended).toBeLessThanOrEqual(3);
});
