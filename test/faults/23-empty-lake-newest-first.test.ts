/** A session that waits in an empty lake waits for its first ledger too, while nothing proves that it will never come. */
import { expect, test } from "bun:test";
import { utimesSync } from "node:fs";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { TemporaryLake } from "../sources/lake-fixture.ts";
import { until } from "../support/until.ts";
import { serveLake } from "./lakes-at-the-tip.ts";

async function waitsForItsFirst(present: number, settledFileMs: number): Promise<void> {
  using lake = new TemporaryLake();
  for (let ledger = 9; ledger > 9 - present; ledger--) lake.put(ledger);
  const { server } = await serveLake(lake, { settledFileMs });
  try {
    const { sessionId } = await server.control.startProcessing({ startLedger: 3 });
    const status = () => server.control.getStatus({ sessionId });
    await Bun.sleep(500); // it looks at the lake as it is
    for (let ledger = 9 - present; ledger > 3; ledger--) lake.put(ledger);
    await until(async () => {
      const { status: state, errorMessage } = await status();
      expect(state).toBe(Status.RUNNING);
      return errorMessage.includes("ledger 3 was asked for, and the lake");
    }, "it says what it waits for");
    await Bun.sleep(500);
    lake.put(3);
    await until(async () => (await status()).currentLedger === 9, "at ledger 9");
    expect(await status()).toMatchObject({ status: Status.RUNNING, errorMessage: "" });
  } finally {
    await server.close();
  }
}

test("in a lake that was empty, however long the copy rests", () => waitsForItsFirst(0, 0), 120_000);

test("in a lake whose oldest file has just come", () => waitsForItsFirst(2, 60_000), 120_000);

test("a lake whose oldest file has settled proves that it will not come", async () => {
  using lake = new TemporaryLake().putAll(4, 9);
  utimesSync(lake.pathOf(4), 1, 1);
  const { server } = await serveLake(lake, { settledFileMs: 1_000 });
  try {
    const { sessionId } = await server.control.startProcessing({ startLedger: 3 });
    await until(async () => (await server.control.getStatus({ sessionId })).status === Status.ERROR, "failed");
    const { session } = await server.control.getSession({ sessionId });
    expect(session!.error).toMatchObject({ reason: "LEDGER_BEFORE_SOURCE" });
  } finally {
    await server.close();
  }
}, 120_000);
