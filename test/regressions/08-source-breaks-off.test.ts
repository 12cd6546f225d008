/** Defect 8: one UNAVAILABLE from the source ended the session, and nothing connected again. */
import { expect, test } from "bun:test";
import { status } from "@grpc/grpc-js";
import { RawLedgerSource } from "../../src/sources/raw-ledger/raw-ledger-grpc.ts";
import { RawLedgerServer, type ScriptedCall } from "../sources/raw-ledger-service.ts";
import { until } from "../support/until.ts";
import { expectRows, sampleLedgers, sampleRows, TestServer } from "./support.ts";

const FIRST = 3000;
const LAST = FIRST + 69;

/** Sends the sample's ledgers from `first` to `last`. */
async function sendSample(call: ScriptedCall, first: number, last: number): Promise<void> {
  const ledger = await sampleLedgers();
  for (let sequence = first; sequence <= last && !call.cancelled; sequence++) {
    await call.send(sequence, await ledger(sequence));
  }
}

test("after UNAVAILABLE it asks again from the next ledger that it needs: no gap, no duplicate", async () => {
  const faults = [
    async (call: ScriptedCall) => {
      await sendSample(call, call.startLedger, FIRST + 9);
      call.fail(status.UNAVAILABLE, "the backend restarts");
    },
    (call: ScriptedCall) => call.fail(status.UNAVAILABLE, "the breaker is open"),
    async (call: ScriptedCall) => {
      await sendSample(call, call.startLedger - 3, FIRST + 22); // three of them again
      call.end();
    },
    async (call: ScriptedCall) => {
      await sendSample(call, call.startLedger, FIRST + 30);
      await sendSample(call, FIRST + 33, FIRST + 40); // two are left out
      await call.cancellation();
    },
    (call: ScriptedCall) => sendSample(call, call.startLedger, LAST + 5),
  ];
  using upstream = await RawLedgerServer.start((call, n) => faults[Math.min(n, faults.length - 1)]!(call));
  await using server = await TestServer.start(new RawLedgerSource(upstream.address, { reconnectMsMin: 10 }));
  const id = await server.startSession(FIRST, LAST);
  const reader = await server.read({ session: id }).rest();
  expectRows(reader, sampleRows(FIRST, LAST));
  expect(upstream.calls.map((call) => call.startLedger - FIRST)).toEqual([0, 10, 10, 23, 31]);
  const { message, errors } = await server.reached(id, "STOPPED");
  expect({ message, errors }).toEqual({ message: `completed at ledger ${LAST}`, errors: 0 });
});

test("a source that goes away altogether is found again when it is back", async () => {
  const first = await RawLedgerServer.start(async (call) => {
    await sendSample(call, call.startLedger, FIRST + 30);
    await call.cancellation();
  });
  const { address } = first;
  await using server = await TestServer.start(new RawLedgerSource(address, { reconnectMsMin: 10, reconnectMsMax: 50 }));
  const id = await server.startSession(FIRST, LAST);
  const reader = server.read({ session: id });
  await until(() => server.session(id).ledgerCurrent === FIRST + 30, "the first ledgers are through");
  first[Symbol.dispose]();
  // away for several tries: nothing fails, the client waits
  await Bun.sleep(300);
  expect(server.session(id).state).toBe("RUNNING");
  const port = Number(address.split(":")[1]);
  using again = await RawLedgerServer.start((call) => sendSample(call, call.startLedger, LAST + 5), port);
  expectRows(await reader.rest(), sampleRows(FIRST, LAST));
  expect(again.calls.map((call) => call.startLedger)).toEqual([FIRST + 31]);
});
