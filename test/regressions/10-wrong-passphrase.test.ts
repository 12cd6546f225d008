/** Defect 10: a wrong passphrase left a session RUNNING with no rows. */
import { expect, test } from "bun:test";
import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { networkOfLedgers } from "../../src/cli/network-of-ledgers.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { RawLedgerSource } from "../../src/sources/raw-ledger/raw-ledger-grpc.ts";
import type { LedgerSource } from "../../src/sources/source.ts";
import { TemporaryLake } from "../sources/lake-fixture.ts";
import { RawLedgerServer } from "../sources/raw-ledger-service.ts";
import { PUBNET, TESTNET } from "../support/networks.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";
import { sampleLedgers, TestServer } from "./support.ts";

async function fails(source: LedgerSource, first: number, last: number): Promise<void> {
  await using server = await TestServer.start(source, { NETWORK_PASSPHRASE: TESTNET });
  const id = await server.startSession(first, last);
  const reader = server.read({ session: id });
  const failure = await reader.failure();
  expect({ code: failure.code, reason: failure.reason, batches: reader.batches.length }).toEqual({
    code: "FAILED_PRECONDITION",
    reason: "NETWORK_MISMATCH",
    batches: 0,
  });
  // the one that was given, and the one that is right
  expect(failure.message).toContain(`"${TESTNET}"`);
  expect(failure.message).toContain(`"${PUBNET}"`);
  await server.reached(id, "ERROR");
  expect(await server.control.getStatus({ sessionId: id })).toMatchObject({
    status: Status.ERROR,
    entriesProcessed: 0,
    errorMessage: failure.message,
  });
  // A client that comes later is told the same.
  expect((await server.read({ session: id }).failure()).message).toBe(failure.message);
}

test("the ledgers of a raw source tell: the session fails at the first one with a transaction", async () => {
  const ledger = await sampleLedgers();
  using upstream = await RawLedgerServer.start(async (call) => {
    for (let sequence = call.startLedger; !call.cancelled; sequence++)
      await call.send(sequence, await ledger(sequence));
  });
  await fails(new RawLedgerSource(upstream.address), SAMPLE.first, 0);
});

test("so do those of a lake without a manifest, and a manifest says it at once", async () => {
  using lake = new TemporaryLake(undefined, "none");
  cpSync(SAMPLE.folder, lake.folder, { recursive: true });
  await fails(await Lake.open(lake.folder), SAMPLE.first, SAMPLE.last);
  rmSync(join(lake.folder, ".config.json"));
  await fails(await Lake.open(lake.folder), SAMPLE.first, SAMPLE.last);
});

test("without a passphrase and a manifest, serve finds the network from the ledgers", async () => {
  using lake = new TemporaryLake(undefined, "none");
  cpSync(SAMPLE.folder, lake.folder, { recursive: true });
  rmSync(join(lake.folder, ".config.json"));
  const processor = await startProcessor([`--source-endpoint=${lake.folder}`, `--start-ledger=${SAMPLE.first}`]);
  try {
    expect(processor.output()).toContain(`(${PUBNET})`);
    expect(processor.output()).toContain("NETWORK_PASSPHRASE is not set");
  } finally {
    await processor.stop();
  }
});

test("ledgers that cannot be read tell why", async () => {
  using lake = new TemporaryLake(undefined, "none");
  cpSync(SAMPLE.folder, lake.folder, { recursive: true });
  for (const path of new Bun.Glob("**/*.zst").scanSync({ cwd: lake.folder })) {
    writeFileSync(join(lake.folder, path), "not a ledger");
  }
  await expect(networkOfLedgers(lake.folder)).rejects.toThrow(expect.objectContaining({ code: "DATA_LOSS" }));
});
