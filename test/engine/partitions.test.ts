/** Streams with partitions on the real pipeline: what goes wrong is told to each of them. */
import { afterEach, expect, test } from "bun:test";
import type { StreamPart } from "../../src/delivery/stream-part.ts";
import { CodedError } from "../../src/error.ts";
import { buildLedger, created, scBytes, scU32 } from "../ledger/build.ts";
import { manyContractsLedger } from "../support/many-contracts.ts";
import {
  MadeSource,
  metadataOf,
  type PipelineOptions,
  plainObject,
  rowsOfSlot,
  TestPipeline,
} from "../support/pipeline.ts";

const COUNT = 3;
let pipeline: TestPipeline;
afterEach(() => pipeline.close());

async function read(part: StreamPart) {
  const reader = part.log.join(0);
  const rows: string[] = [];
  const skipped: number[] = [];
  try {
    for (;;) {
      const slot = await reader.next(() => performance.now());
      if (slot === undefined) return { rows, skipped };
      rows.push(...rowsOfSlot(slot));
      const { next, ledgerLast, rows: count } = slot.record;
      if (count > 0) expect(next.ledger).toBeGreaterThanOrEqual(ledgerLast); // a cursor lies behind its batch
      skipped.push(...((metadataOf(slot).skipped_ledgers as number[] | undefined) ?? []));
      slot.release();
    }
  } catch (thrown) {
    return { rows, skipped, error: CodedError.from(thrown) };
  } finally {
    reader.leave();
  }
}

async function readAll(ledgerEnd: number, make: (ledger: number) => Uint8Array, options: PipelineOptions) {
  pipeline = await TestPipeline.start(options);
  const source = new MadeSource((ledger) => plainObject(ledger, make(ledger)));
  const [stream, hub] = await pipeline.open({ source, ledgerEnd, partitions: COUNT });
  const parts = await Promise.all(hub.parts.map(read));
  const error = await stream.over;
  return { parts, error, ledgerCurrent: stream.cell.get("ledgerCurrent") };
}

const ledgersOf = (rows: string[]) => [...new Set(rows.map((row) => Number(row.split("|", 1)[0])))];

for (const workers of [1, 2]) {
  test(`a ledger that is left out is named to every partition, ${workers} workers`, async () => {
    const bad = [5, 6, 30, 40];
    const { parts, error } = await readAll(
      40,
      (ledger) => (bad.includes(ledger) ? new Uint8Array(100) : manyContractsLedger(ledger)),
      { workers, onError: "skip" },
    );
    expect(error).toBeUndefined();
    for (const { rows, skipped, error } of parts) {
      expect(error).toBeUndefined();
      expect([...new Set(skipped)]).toEqual(bad);
      expect(rows.length).toBeGreaterThan(50);
      expect(ledgersOf(rows).filter((ledger) => bad.includes(ledger))).toEqual([]);
    }
  });
}

test("what one partition cannot hold ends all of them, with what came before", async () => {
  const { parts, error, ledgerCurrent } = await readAll(
    40,
    (sequence) => {
      if (sequence !== 20) return manyContractsLedger(sequence);
      const huge = created({ key: scU32(1), val: scBytes(new Uint8Array(100_000)) });
      return buildLedger({ sequence, transactions: [{ operations: [[huge]] }] });
    },
    { batchBytesTarget: 32 << 10, batchBytesMax: 64 << 10 },
  );
  expect(error?.reason).toBe("ROW_TOO_LARGE");
  for (const { rows, error } of parts) {
    expect(error?.reason).toBe("ROW_TOO_LARGE");
    for (const ledger of [15, 16, 17, 18, 19]) expect(ledgersOf(rows)).toContain(ledger);
  }
  expect(ledgerCurrent).toBe(19); // where the session would go on: nobody has had ledger 20
});
