/** Defect 17: status was refreshed every 5 s; counters were process-wide and racy; bytes were rows times 144. */
import { expect, test } from "bun:test";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { SAMPLE } from "../support/processor.ts";
import { CountedSource, sampleLedgers, sampleRows, TestServer, untilHeldBack } from "./support.ts";

const FIRST = 1001;
const ledger = await sampleLedgers();

async function xdrBytes(first: number, last: number): Promise<number> {
  let bytes = 0;
  for (let sequence = first; sequence <= last; sequence++) bytes += (await ledger(sequence)).length;
  return bytes;
}

/** Rows of the ledgers `first` to `last`, by whether they are of removed entries. */
function count(first: number, last: number): { kept: number; deleted: number } {
  const rows = sampleRows(first, last);
  const deleted = rows.filter((line) => line.split("\t")[9] === "true").length;
  return { kept: rows.length - deleted, deleted };
}

test("in the middle of a run, status and metrics are what was read, decoded and put into batches", async () => {
  const source = new CountedSource(await RepeatingSource.open(SAMPLE.folder));
  const settings = { CHANNEL_BUFFER_SIZE: "5", INCLUDE_DELETED: "false" };
  await using server = await TestServer.start(source, settings);
  const sessionId = await server.startSession(FIRST, FIRST + 599, 100);
  // Held back by a client that does not come, everything that was begun is done.
  await untilHeldBack(source, () => server.session(sessionId));
  const status = await server.control.getStatus({ sessionId });
  const last = FIRST + source.ledgers - 2;
  const { kept, deleted } = count(FIRST, last);
  expect(status).toMatchObject({
    status: Status.RUNNING,
    currentLedger: last,
    targetLedger: FIRST + 599,
    entriesProcessed: kept,
    errorMessage: expect.stringMatching(/^waits for a reader: \d+ batches are held, and CHANNEL_BUFFER_SIZE is 5$/),
  });
  const metrics = await server.control.getMetrics({ sessionId });
  expect(metrics).toMatchObject({
    contractsProcessed: kept,
    entriesSkipped: deleted,
    bytesProcessed: await xdrBytes(FIRST, last),
  });
  expect(metrics.processingRate).toBeGreaterThan(0);
  // The batches are those that the client then gets first.
  const reader = server.read({ session: sessionId });
  for (let batch = 0; batch < metrics.batchesCreated; batch++) await reader.next();
  expect(reader.rows).toBe(kept);
  expect(reader.batches.at(-1)!.metadata.ledger_last).toBeLessThanOrEqual(last);

  await reader.rest();
  const all = count(FIRST, FIRST + 599);
  expect(reader.rows).toBe(all.kept);
  await server.reached(sessionId, "STOPPED");
  expect(await server.control.getMetrics({ sessionId })).toMatchObject({
    contractsProcessed: all.kept,
    entriesSkipped: all.deleted,
    batchesCreated: reader.batches.length,
    bytesProcessed: await xdrBytes(FIRST, FIRST + 599),
    processingRate: 0,
  });
});

test("at any moment the rows of every ledger up to the current one are counted, and nothing goes back", async () => {
  await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder), { WORKER_COUNT: "2" });
  const id = await server.startSession(FIRST, FIRST + 699, 20);
  const rowsUpTo = [0];
  for (let sequence = FIRST; sequence < FIRST + 700; sequence++) {
    rowsUpTo.push(rowsUpTo.at(-1)! + sampleRows(sequence, sequence).length);
  }
  const reader = server.read({ session: id });
  let isOver = false;
  const reading = reader.rest().then(() => {
    isOver = true;
  });
  let before = server.session(id);
  let readings = 0;
  while (!isOver) {
    for (let i = 0; i < 200; i++) {
      const now = server.session(id);
      readings += 1;
      const ledgers = now.ledgerCurrent === 0 ? 0 : now.ledgerCurrent - FIRST + 1;
      if (now.entriesProcessed < rowsUpTo[ledgers]!) {
        throw new Error(`${now.entriesProcessed} rows at ledger ${now.ledgerCurrent}, which is ${rowsUpTo[ledgers]}`);
      }
      for (const counter of ["ledgerCurrent", "entriesProcessed", "batchesCreated", "bytesProcessed"] as const) {
        if (now[counter] < before[counter])
          throw new Error(`${counter} fell from ${before[counter]} to ${now[counter]}`);
      }
      before = now;
    }
    await Bun.sleep(0);
  }
  await reading;
  expect(readings).toBeGreaterThan(200);
  expect(server.session(id).entriesProcessed).toBe(reader.rows);
});

test("each session has its own", async () => {
  await using server = await TestServer.start(await RepeatingSource.open(SAMPLE.folder), { WORKER_COUNT: "2" });
  const ranges = [
    [FIRST, FIRST + 69],
    [FIRST + 35, FIRST + 90],
    [FIRST + 500, FIRST + 513],
  ] as const;
  const ids = await Promise.all(ranges.map(([first, last]) => server.startSession(first, last, 100)));
  const readers = await Promise.all(ids.map((session) => server.read({ session }).rest()));
  for (const [index, [first, last]] of ranges.entries()) {
    const sessionId = ids[index]!;
    await server.reached(sessionId, "STOPPED");
    expect(await server.control.getMetrics({ sessionId })).toMatchObject({
      contractsProcessed: sampleRows(first, last).length,
      entriesSkipped: 0,
      batchesCreated: readers[index]!.batches.length,
      bytesProcessed: await xdrBytes(first, last),
    });
    const { currentLedger, entriesProcessed } = await server.control.getStatus({ sessionId });
    expect({ currentLedger, entriesProcessed }).toEqual({
      currentLedger: last,
      entriesProcessed: readers[index]!.rows,
    });
  }
});
