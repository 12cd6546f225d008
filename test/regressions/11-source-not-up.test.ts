/** Defect 11: with its source not up at the start, the server exited or never tried again. */
import { expect, test } from "bun:test";
import { connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { RawLedgerServer } from "../sources/raw-ledger-service.ts";
import { PUBNET } from "../support/networks.ts";
import { startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { expectRows, Reader, sampleLedgers, sampleRows } from "./support.ts";

test("it starts, keeps trying, and goes on by itself when the source comes up", async () => {
  const ledger = await sampleLedgers();
  const before = await RawLedgerServer.start(() => {});
  const { address } = before;
  before[Symbol.dispose](); // nobody listens there now
  const processor = await startProcessor([`--source-endpoint=${address}`, "--include-deleted", "--worker-count=1"], {
    env: { NETWORK_PASSPHRASE: PUBNET },
  });
  const control = connectControl(processor.control);
  const flight = new FlightClient(processor.flight);
  try {
    expect((await fetch(`http://${processor.http}/health`)).status).toBe(200);
    const { sessionId } = await control.startProcessing({ startLedger: 700, endLedger: 720 });
    const reader = new Reader(flight, JSON.stringify({ session: sessionId }));
    const rest = reader.rest();
    await Bun.sleep(500); // a few tries
    const { status } = await control.getStatus({ sessionId });
    expect(status === Status.STARTING || status === Status.RUNNING).toBe(true);
    using upstream = await RawLedgerServer.start(
      async (call) => {
        for (let sequence = call.startLedger; !call.cancelled; sequence++) {
          await call.send(sequence, await ledger(sequence));
        }
      },
      Number(address.split(":")[1]),
    );
    await rest;
    expectRows(reader, sampleRows(700, 720));
    expect(upstream.calls.map((call) => call.startLedger)).toEqual([700]);
    await until(async () => (await control.getStatus({ sessionId })).status === Status.STOPPED, "stopped");
  } finally {
    control.close();
    flight.close();
    expect(await processor.stop()).toBe(0);
  }
});
