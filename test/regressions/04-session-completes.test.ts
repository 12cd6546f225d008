/** Defect 4: sessions never completed, DoGet never ended, and the last partial batch stayed until Stop. */
import { expect, test } from "bun:test";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { batchOf, TemporaryLake } from "../sources/lake-fixture.ts";
import { PUBNET } from "../support/networks.ts";
import { SAMPLE } from "../support/processor.ts";
import { expectRows, sampleRows, TestServer } from "./support.ts";

test("at end_ledger the last batch goes out, DoGet ends with OK, and the session is STOPPED because it completed", async () => {
  await using server = await TestServer.start(await Lake.open(SAMPLE.folder), { FLUSH_INTERVAL: "1h" });
  const id = await server.startSession(SAMPLE.first, SAMPLE.last, 250);
  const reader = await server.read({ session: id }).rest();
  // 311 rows: one full batch, and one that never would have been
  expect(reader.batches.map(({ table }) => table.numRows)).toEqual([250, 61]);
  expectRows(reader, sampleRows(SAMPLE.first, SAMPLE.last));
  expect(reader.batches.at(-1)!.metadata.ledger_complete).toBe(SAMPLE.last);
  await server.reached(id, "STOPPED");
  expect(await server.control.getStatus({ sessionId: id })).toMatchObject({
    status: Status.STOPPED,
    currentLedger: SAMPLE.last,
    targetLedger: SAMPLE.last,
    entriesProcessed: SAMPLE.rows,
    errorMessage: `completed at ledger ${SAMPLE.last}`,
  });
  // Stopping it again changes nothing.
  const stopped = await server.control.stopProcessing({ sessionId: id });
  expect(stopped).toMatchObject({ success: true, message: `completed at ledger ${SAMPLE.last}` });
});

test("a client that waits at the tip is told of the end, also where there were no rows at all", async () => {
  await using server = await TestServer.start(await Lake.open(SAMPLE.folder));
  // the sample's first five ledgers are from before Soroban
  const id = await server.startSession(SAMPLE.first, SAMPLE.first + 4);
  const reader = await server.read({ session: id }).rest();
  expect(reader.batches).toEqual([]);
  const { message, ledgersProcessed } = await server.reached(id, "STOPPED");
  expect({ message, ledgersProcessed }).toEqual({
    message: `completed at ledger ${SAMPLE.first + 4}`,
    ledgersProcessed: 5,
  });
});

test("the end may lie inside a file: what is behind it does not count", async () => {
  const layout = { ledgersPerBatch: 8, batchesPerPartition: 1, extension: "zst" } as const;
  using lake = new TemporaryLake(layout, { networkPassphrase: PUBNET }).putAll(64, 95);
  expect(batchOf(64, 71).length).toBeGreaterThan(0);
  await using server = await TestServer.start(await Lake.open(lake.folder));
  const id = await server.startSession(70, 83);
  await server.read({ session: id }).rest();
  const { ledgersProcessed, ledgerCurrent } = await server.reached(id, "STOPPED");
  expect({ ledgersProcessed, ledgerCurrent }).toEqual({ ledgersProcessed: 14, ledgerCurrent: 83 });
});
