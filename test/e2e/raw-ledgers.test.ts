/** An existing deployment: nothing but the environment of the original, and a RawLedgerService that is not perfect. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { connectControl } from "../../src/control/client.ts";
import { splitBatch } from "../../src/ledger/batch.ts";
import { goClient, runClient } from "../clients/toolchain.ts";
import { RawLedgerServer } from "../sources/raw-ledger-service.ts";
import { PUBNET } from "../support/networks.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";

const FOLDERS = ["FC807DFF--58688000-58751999", "FC7F83FF--58752000-58815999"];

function sampleLedger(sequence: number): Uint8Array {
  const name = `${(0xffffffff - sequence).toString(16).toUpperCase()}--${sequence}.xdr.zst`;
  const folder = FOLDERS[sequence < 58752000 ? 0 : 1]!;
  const [ledger] = splitBatch(Bun.zstdDecompressSync(readFileSync(join(SAMPLE.folder, folder, name))));
  return ledger!.bytes;
}

test("SOURCE_ENDPOINT alone gives a working server; breaks, repeats and left-out numbers lose and repeat nothing", async () => {
  const client = await goClient();
  if (client.command === undefined) return console.log(`skipped: ${client.missing}`);
  using source = await RawLedgerServer.start(async (call, n) => {
    // first it breaks off, then it leaves a number out, then it repeats one; at last it goes on past the end
    const { startLedger } = call;
    if (n === 0) {
      await call.send(startLedger, sampleLedger(startLedger));
      await call.send(startLedger + 1, sampleLedger(startLedger + 1));
      return call.fail(grpc.status.UNAVAILABLE);
    }
    if (n === 1) {
      await call.send(startLedger, sampleLedger(startLedger));
      await call.send(startLedger + 2, sampleLedger(startLedger + 2));
      return;
    }
    await call.send(startLedger - 1, sampleLedger(startLedger - 1));
    for (let ledger = startLedger; ledger <= SAMPLE.last && !call.cancelled; ledger++) {
      await call.send(ledger, sampleLedger(ledger));
    }
  });
  const processor = await startProcessor([], {
    env: {
      SOURCE_ENDPOINT: source.address,
      NETWORK_PASSPHRASE: PUBNET,
      WORKER_COUNT: "2",
      INCLUDE_DELETED: "true",
      BATCH_SIZE: "100",
      MAX_MEMORY_MB: "320",
    },
  });
  const control = connectControl(processor.control);
  try {
    const { sessionId } = await control.startProcessing({ startLedger: SAMPLE.first, endLedger: SAMPLE.last });
    const { results } = await runClient(client, ["get", "-addr", processor.flight, "-ticket", "contract-data-stream"]);
    expect(results[0]?.error).toBeUndefined();
    expect(results[0]?.rows).toBe(SAMPLE.rows);
    const last = JSON.parse(results[0]!.lastAppMetadata) as Record<string, unknown>;
    expect(last.ledger_complete).toBe(SAMPLE.last);
    const status = await control.getStatus({ sessionId });
    expect(status.currentLedger).toBe(SAMPLE.last);
    // the endless stream is cancelled after the last needed ledger
    await source.calls.at(-1)!.cancellation();
    expect(source.calls.map(({ startLedger }) => startLedger)).toEqual([
      SAMPLE.first,
      SAMPLE.first + 2,
      SAMPLE.first + 3,
    ]);
  } finally {
    control.close();
    await processor.stop();
  }
});
