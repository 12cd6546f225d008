/** Defect 9: a ledger over 4 MiB killed the session. */
import { describe, expect, test } from "bun:test";
import { Lake } from "../../src/sources/lake/lake.ts";
import { lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { RawLedgerSource } from "../../src/sources/raw-ledger/raw-ledger-grpc.ts";
import type { LedgerSource } from "../../src/sources/source.ts";
import { buildLedger, created, scBytes, scU32 } from "../ledger/build.ts";
import { batchOf, SINGLE, TemporaryLake } from "../sources/lake-fixture.ts";
import { RawLedgerServer } from "../sources/raw-ledger-service.ts";
import { PUBNET } from "../support/networks.ts";
import { TestServer } from "./support.ts";

const VALUE_BYTES = 48 << 10; // near the most that the network lets an entry hold
const ROWS = [3, 100, 500, 2]; // of the ledgers 1 to 4: 5 MB, over half a ring; 24 MB, three rings

/** Values that nothing can compress, so that what is stored is as large as what it holds. */
function value(ledger: number, row: number): Uint8Array {
  const words = new Uint32Array(VALUE_BYTES / 4);
  let state = ledger * 1000 + row + 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer);
}

function ledger(sequence: number): Uint8Array {
  const data = Array.from({ length: ROWS[sequence - 1]! }, (_, row) =>
    created({ key: scU32(row), val: scBytes(value(sequence, row)) }),
  );
  return buildLedger({ sequence, transactions: [{ operations: [data] }] });
}

const ledgers = [1, 2, 3, 4].map(ledger);

async function readsAll(source: LedgerSource): Promise<void> {
  await using server = await TestServer.start(source, { MAX_MEMORY_MB: "2048" });
  const id = await server.startSession(1, 4);
  const reader = await server.read({ session: id }).rest();
  let row = 0;
  let sequence = 1;
  for (const { table } of reader.batches) {
    const [sequences, values] = [table.getChild("ledger_sequence")!, table.getChild("val_xdr")!];
    for (let at = 0; at < table.numRows; at++, row++) {
      while (row === ROWS[sequence - 1]) {
        sequence += 1;
        row = 0;
      }
      if (sequences.get(at) !== sequence) throw new Error(`a row of ${sequences.get(at)}, not of ${sequence}`);
      // SCV_BYTES and the length stand before the value
      const bytes = Buffer.from(values.get(at) as string, "base64").subarray(8);
      if (!bytes.equals(value(sequence, row))) throw new Error(`ledger ${sequence} row ${row} has another value`);
    }
  }
  expect({ sequence, row }).toEqual({ sequence: 4, row: ROWS[3]! });
  const { state, bytesProcessed } = await server.reached(id, "STOPPED");
  expect({ state, bytesProcessed }).toEqual({
    state: "STOPPED",
    bytesProcessed: ledgers.reduce((sum, { length }) => sum + length, 0),
  });
}

describe("ledgers of 5 MB and 24 MB", () => {
  test("over gRPC", async () => {
    expect(ledgers[1]!.length).toBeGreaterThan(4 << 20);
    using upstream = await RawLedgerServer.start(async (call) => {
      for (let sequence = call.startLedger; sequence <= 4; sequence++)
        await call.send(sequence, ledgers[sequence - 1]!);
      await call.cancellation();
    });
    await readsAll(new RawLedgerSource(upstream.address));
  });

  test("from a lake", async () => {
    using lake = new TemporaryLake(SINGLE, { networkPassphrase: PUBNET });
    for (const sequence of [1, 2, 3, 4]) {
      const content = batchOf(sequence, sequence, () => ledgers[sequence - 1]!);
      lake.write(lakeKey(SINGLE, sequence), new Uint8Array(Bun.zstdCompressSync(content)));
    }
    await readsAll(await Lake.open(lake.folder));
  });

  test("one over LEDGER_BYTES_MAX ends its session, with both numbers, after the batches before it", async () => {
    using upstream = await RawLedgerServer.start(async (call) => {
      for (let sequence = call.startLedger; sequence <= 4; sequence++)
        await call.send(sequence, ledgers[sequence - 1]!);
      await call.cancellation();
    });
    await using server = await TestServer.start(new RawLedgerSource(upstream.address), { LEDGER_BYTES_MAX: "8MiB" });
    const id = await server.startSession(1, 4);
    const reader = server.read({ session: id });
    const failure = await reader.failure();
    expect(failure.code).toBe("RESOURCE_EXHAUSTED");
    for (const text of ["ledger 3", String(ledgers[2]!.length), String(8 << 20)])
      expect(failure.message).toContain(text);
    expect(reader.rows).toBe(ROWS[0]! + ROWS[1]!);
    expect((await server.reached(id, "ERROR")).ledgerCurrent).toBe(2);
  });
});
