/**
 * How long ledgers took to decode: a histogram in shared memory, written by every worker, read at any moment.
 */
export const LEDGER_DURATION_BOUNDS_MS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1000] as const; // empty ledgers take 0.05, the heaviest real ones 2

const BUCKETS = LEDGER_DURATION_BOUNDS_MS.length + 1;

/** How long ledgers took to decode, as a histogram in shared memory. */
export class LedgerDurations {
  /** Counts of the buckets, then the sum in microseconds. */
  private readonly cells: BigInt64Array;

  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer((BUCKETS + 1) * 8)) {
    this.cells = new BigInt64Array(memory);
  }

  record(durationMs: number): void {
    let bucket = 0;
    while (bucket < BUCKETS - 1 && durationMs > LEDGER_DURATION_BOUNDS_MS[bucket]!) bucket += 1;
    Atomics.add(this.cells, bucket, 1n);
    Atomics.add(this.cells, BUCKETS, BigInt(Math.round(durationMs * 1000)));
  }

  /** Observations in each bucket alone (the last has no bound), and their sum. */
  read(): { counts: number[]; sumSeconds: number } {
    const counts = Array.from({ length: BUCKETS }, (_, bucket) => Number(Atomics.load(this.cells, bucket)));
    return { counts, sumSeconds: Number(Atomics.load(this.cells, BUCKETS)) / 1e6 };
  }
}
