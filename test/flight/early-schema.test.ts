/** A client learns the schema at once: before the session has a row, and while its source has not even answered. */
import { expect, test } from "bun:test";
import { MessageReader } from "apache-arrow";
import { columnNames } from "../../src/columns/batch-encoder.ts";
import { encapsulate } from "../../src/columns/ipc.ts";
import { flightCalls } from "../support/flight-rows.ts";
import { GatedSource } from "../support/gated-source.ts";
import { localServer } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";

test("the schema message comes before any ledger does", async () => {
  const source = await GatedSource.open();
  const server = await localServer(source);
  const calls = flightCalls(`127.0.0.1:${server.processor.addresses.flight.port}`);
  try {
    source.tip = SAMPLE.first - 1; // nothing is there yet
    const { sessionId } = await server.control.startProcessing({ startLedger: SAMPLE.first, endLedger: SAMPLE.last });
    const call = calls.doGet({ ticket: Buffer.from(JSON.stringify({ session: sessionId })) });
    const messages = (call as AsyncIterable<{ dataHeader: Uint8Array; dataBody: Uint8Array }>)[Symbol.asyncIterator]();
    const { value: first } = await messages.next();
    const schema = new MessageReader(encapsulate(first.dataHeader)).readSchema();
    expect(schema?.fields.map(({ name }) => name)).toEqual(columnNames(1));
    expect(first.dataBody.length).toBe(0);
    expect((await server.control.getMetrics({ sessionId })).contractsProcessed).toBe(0);

    source.tip = Number.POSITIVE_INFINITY;
    const { value: second, done } = await messages.next();
    expect(done).toBe(false);
    expect(second.dataBody.length).toBeGreaterThan(0);
    call.cancel();
    await messages.next().catch(() => {});
  } finally {
    calls.close();
    await server.close();
  }
}, 60_000);
