/** Decodes one ledger over and over and watches the heap: what is kept, and what is left for the collector. */
import { heapStats } from "bun:jsc";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { RowSet } from "../../src/ledger/row-set.ts";

const BATCH_ROWS = 4096;

/** What is on the heap after so many rows. */
export interface HeapSample {
  /** Decoded so far. */
  rows: number;
  /** After a full collection. */
  keptBytes: number;
  keptObjects: number;
  /** Memory outside of the heap that objects on it hold: array buffers. */
  externalBytes: number;
  residentBytes: number;
}

function sample(rows: number): HeapSample {
  Bun.gc(true);
  const { heapSize, objectCount, extraMemorySize } = heapStats();
  return {
    rows,
    keptBytes: heapSize,
    keptObjects: objectCount,
    externalBytes: extraMemorySize,
    residentBytes: process.memoryUsage.rss(),
  };
}

/**
 * Decodes `ledger` into record batches, in one reused body, until there were `rowsTarget` rows; samples of the heap at
 * the start (after a warm-up of `rowsWarmUp` rows) and after each of `samples` equal parts.
 */
export function watchHeap(
  ledger: Uint8Array,
  networkPassphrase: string,
  rowsTarget: number,
  rowsWarmUp: number,
  samples: number,
): HeapSample[] {
  const decoder = new LedgerDecoder({ networkPassphrase, compat: "default" });
  const encoder = new BatchEncoder({ schemaVersion: 1, networkPassphrase });
  const rows = new RowSet();
  let body = new Uint8Array(1 << 20);
  const decode = (target: number): number => {
    let done = 0;
    while (done < target) {
      while (rows.length < BATCH_ROWS) decoder.decode(ledger, rows);
      const plan = encoder.plan(rows, 0, rows.length);
      if (plan.bodyBytes > body.length) body = new Uint8Array(plan.bodyBytes * 2);
      encoder.write(rows, plan, body);
      encoder.header(plan);
      done += rows.length;
      rows.clear();
    }
    return done;
  };
  decode(rowsWarmUp);
  const found = [sample(0)];
  let total = 0;
  for (let i = 1; i <= samples; i++) {
    total += decode((rowsTarget * i) / samples - total);
    found.push(sample(total));
  }
  return found;
}
