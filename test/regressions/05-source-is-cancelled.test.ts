/** Defect 5: end_ledger did not stop the download. */
import { expect, test } from "bun:test";
import { RawLedgerSource } from "../../src/sources/raw-ledger/raw-ledger-grpc.ts";
import { RawLedgerServer } from "../sources/raw-ledger-service.ts";
import { until } from "../support/until.ts";
import { expectRows, sampleLedgers, sampleRows, TestServer } from "./support.ts";

const FIRST = 3000;

test("the call to the source is cancelled after the last ledger that is needed", async () => {
  const ledger = await sampleLedgers();
  // It never ends by itself, as the real one.
  using upstream = await RawLedgerServer.start(async (call) => {
    for (let sequence = call.startLedger; !call.cancelled; sequence++)
      await call.send(sequence, await ledger(sequence));
  });
  await using server = await TestServer.start(new RawLedgerSource(upstream.address));
  const id = await server.startSession(FIRST, FIRST + 20);
  const reader = await server.read({ session: id }).rest();
  expectRows(reader, sampleRows(FIRST, FIRST + 20));
  expect((await server.reached(id, "STOPPED")).message).toBe(`completed at ledger ${FIRST + 20}`);
  await until(() => upstream.calls[0]?.cancelled, "the call is cancelled");
  expect(upstream.calls.map((call) => call.startLedger)).toEqual([FIRST]);
});

test("so it is when a session is stopped, and when it fails", async () => {
  const ledger = await sampleLedgers();
  using upstream = await RawLedgerServer.start(async (call) => {
    for (let sequence = call.startLedger; !call.cancelled; sequence++) {
      // the second session's ledgers turn into rubbish at some point, but for their headers
      const bytes = await ledger(sequence);
      await call.send(sequence, sequence < 9000 ? bytes : bytes.slice(0, bytes.length - 100));
    }
  });
  await using server = await TestServer.start(new RawLedgerSource(upstream.address));
  const stopped = await server.startSession(FIRST, 0);
  await server.read({ session: stopped }).next();
  await server.control.stopProcessing({ sessionId: stopped });
  await until(() => upstream.calls[0]?.cancelled, "the call is cancelled");

  const failed = await server.startSession(8990, 0);
  const failure = await server.read({ session: failed }).failure();
  expect(failure.code).toBe("DATA_LOSS");
  expect(failure.message).toContain("ledger 9000");
  await until(() => upstream.calls[1]?.cancelled, "the call is cancelled");
  expect(upstream.calls.length).toBe(2);
});
