/** Sessions as their clients meet them: any cursor is served, everybody gets everything, a slow one harms nobody. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connectControl } from "../../src/control/client.ts";
import { failureMessage } from "../support/failure.ts";
import { actionJson, collect, flightCalls, flightTotals, readRows } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { runResume } from "./resume.ts";

const CYCLES = 20; // of the sample, replayed and renumbered
const LEDGERS = CYCLES * 7;
const ROWS = CYCLES * SAMPLE.rows;
const FIRST = 1000;
const LAST = FIRST + LEDGERS - 1;

let processor: Processor;
let expected: string[];
beforeAll(async () => {
  processor = await startProcessor([
    `--source-endpoint=repeat:${SAMPLE.folder}`,
    "--include-deleted",
    "--worker-count=2",
    "--channel-buffer-size=4",
  ]);
  const whole = await readRows(processor.flight, { start_ledger: FIRST, end_ledger: LAST });
  expect(whole.error).toBeUndefined();
  expected = whole.rows;
  expect(expected).toHaveLength(ROWS);
});
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
});

async function start(batchSize = 100, endLedger = LAST): Promise<string> {
  const control = connectControl(processor.control);
  const { sessionId } = await control.startProcessing({ startLedger: FIRST, endLedger, batchSize });
  control.close();
  return sessionId;
}

/** Whole arrays in a message would be megabytes. */
function expectRows(got: string[], wanted: string[], what: string): void {
  expect(got.length, what).toBe(wanted.length);
  expect(
    got.findIndex((row, index) => row !== wanted[index]),
    `${what}: first row that differs`,
  ).toBe(-1);
}

describe("a session", () => {
  test("serves every cursor it ever gave out, and its start, though it retains four batches", async () => {
    const session = await start();
    const whole = await readRows(processor.flight, { session, from: "start" });
    expectRows(whole.rows, expected, "from the start, live");
    expectRows((await readRows(processor.flight, { session, from: "start" })).rows, expected, "from the start, again");
    const { catchUpsOpened } = await flightTotals(processor.flight);
    expect(catchUpsOpened).toBeGreaterThan(0);
    for (let batch = 0; batch < whole.batches.length; batch += 7) {
      const { rows, metadata } = whole.batches[batch]!;
      const rest = await readRows(processor.flight, { session, from: metadata.cursor });
      expectRows(rest.rows, expected.slice(rows), `after batch ${batch}`);
      expect(rest.batches.every((each) => each.metadata.session === session)).toBe(true);
    }
    const end = whole.batches.at(-1)!.metadata.cursor;
    expect((await readRows(processor.flight, { session, from: end })).rows).toEqual([]);
    expect((await readRows(processor.flight, { session, from: "now" })).rows).toEqual([]);
    await until(async () => (await flightTotals(processor.flight)).catchUps === 0, "no catch-up left");
  });

  test("gives a late client everything while it runs, beside one that follows", async () => {
    const session = await start(50);
    const early = await readRows(processor.flight, { session, from: "start" }, { batchesMax: 40 });
    const [rest, late] = await Promise.all([
      readRows(processor.flight, { session, from: early.batches.at(-1)!.metadata.cursor }),
      readRows(processor.flight, { session, from: "start" }),
    ]);
    expectRows([...early.rows, ...rest.rows], expected, "left and came back");
    expectRows(late.rows, expected, "late");
  });

  test("refuses a cursor from before its start, and an encoding that is not its own", async () => {
    const session = await start();
    const other = await readRows(processor.flight, { start_ledger: 1, end_ledger: 20 });
    const { error } = await readRows(processor.flight, { session, from: other.batches[0]!.metadata.cursor });
    expect(`${error!.code} ${error!.reason}`).toBe("INVALID_ARGUMENT CURSOR_BEFORE_SESSION");
    for (const wants of [
      { schema_version: 2 },
      { columns: ["contract_id"] },
      { batch_size: 7 },
      { compression: "zstd" },
    ]) {
      const refused = await readRows(processor.flight, { session, ...wants });
      expect(`${refused.error!.code} ${refused.error!.reason}`, JSON.stringify(wants)).toBe(
        "FAILED_PRECONDITION SESSION_ENCODING",
      );
    }
    const same = { session, from: "start", schema_version: 1, batch_size: 100, compression: "none" };
    expectRows((await readRows(processor.flight, same)).rows, expected, "the same encoding");
  });

  test("is still served whole when many later ones have finished", async () => {
    const session = await start();
    expectRows((await readRows(processor.flight, { session, from: "start" })).rows, expected, "live");
    for (let count = 0; count < 6; count++) {
      const later = await start(1000, FIRST + 6);
      await readRows(processor.flight, { session: later, from: "start" });
    }
    expectRows((await readRows(processor.flight, { session, from: "start" })).rows, expected, "later");
  });

  test("is listed by criteria, polled to its end, and told of in full", async () => {
    const session = await start();
    const calls = flightCalls(processor.flight);
    const list = async (criteria: object) =>
      (
        await collect(
          calls.listFlights({ expression: Buffer.from(JSON.stringify(criteria)) }) as AsyncIterable<{
            flightDescriptor?: { path: string[] };
          }>,
        )
      ).map((info) => info.flightDescriptor!.path[2]);
    expect(await list({ session: session.slice(0, 13) })).toEqual([session]);
    expect(await list({ session: session.slice(0, 13), state: "RUNNING" })).toEqual([session]);
    expect(await list({ session: session.slice(0, 13), state: "STOPPED" })).toEqual([]);
    expect(await failureMessage(list({ colour: 1 }))).toContain('"colour"');
    const path = ["contract", "data", session];
    const first = await calls.pollFlightInfo({ type: 1, path });
    expect(first.progress).toBeGreaterThanOrEqual(0);
    expect(first.progress).toBeLessThan(1);
    expect(first.info!.totalRecords).toBe(-1);
    const reading = readRows(processor.flight, Buffer.from(first.info!.endpoint[0]!.ticket!.ticket).toString());
    let poll = first;
    while (poll.flightDescriptor !== undefined) poll = await calls.pollFlightInfo(poll.flightDescriptor);
    expect(poll.progress).toBe(1);
    expect(poll.info!.totalRecords).toBe(ROWS);
    expect(poll.info!.totalBytes).toBeGreaterThan(CYCLES * 200_000);
    expect((await reading).rows).toHaveLength(ROWS);
    calls.close();
    const { sessions } = await actionJson<{ sessions: Array<{ session: string; state: string; rows: number }> }>(
      processor.flight,
      "sessions",
    );
    expect(sessions.find((each) => each.session === session)).toMatchObject({ state: "STOPPED", rows: ROWS });
    const one = await actionJson<Record<string, unknown>>(processor.flight, "session", { session });
    expect(one).toMatchObject({ session, stream: { kind: "session", over: true, rows_sent: ROWS } });
    expect(await failureMessage(actionJson(processor.flight, "session", { session: "x" }))).toContain("no session");
  });
});

test("a client killed three times, each time going on from its last cursor, ends with exactly the source's rows", async () => {
  const result = await runResume(3);
  expect(result).toMatchObject({ kills: 3, equal: true });
}, 120_000);
