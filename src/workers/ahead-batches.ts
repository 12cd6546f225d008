/**
 * Batches of a large ledger that are laid out while it is walked: the bytes of their rows are in the caches then, and are
 * not once all of the ledger has been walked. They wait here, for no batch goes out before its ledger is known to be whole.
 * HOT PATH.
 */
import type { BatchEncoder, BatchPlan } from "../columns/batch-encoder.ts";
import type { RowSet } from "../ledger/row-set.ts";

interface LaidBatch {
  plan: BatchPlan;
  /** Where its body begins. */
  at: number;
}

/** A batch whose ledger has been read. */
export interface AheadBatch {
  plan: BatchPlan;
  /** Undefined where it has to be laid out anew. */
  body: Uint8Array | undefined;
}

/** One worker's, for one row set at a time. */
export class AheadBatches {
  private memory = new Uint8Array(0);
  private used = 0;
  private readonly laid: LaidBatch[] = [];
  private rows: RowSet | undefined;
  private generation = 0;

  /** @param bytesMax of all bodies; what has no room is laid out in its turn */
  constructor(private readonly bytesMax: number) {}

  /** A ledger of so many bytes is walked, whose rows are appended to `rows`; what is left of another one is void. */
  begin(rows: RowSet, ledgerBytes: number): void {
    const bytes = Math.min(ledgerBytes, this.bytesMax); // batches are mostly smaller than their ledger
    if (this.memory.length < bytes) this.memory = new Uint8Array(bytes);
    this.rows = rows;
    this.generation = rows.generation;
    this.used = 0;
    this.laid.length = 0;
  }

  /** Whether batches of these rows are taken: `begin` was called, and the rows have only grown since. */
  isOf(rows: RowSet): boolean {
    return this.rows === rows && this.generation === rows.generation;
  }

  /** The first row that is in no batch here, from `first` on. */
  next(first: number): number {
    return this.laid.at(-1)?.plan.end ?? first;
  }

  /** Lays out the rows [first, end); false where they have no room. */
  add(encoder: BatchEncoder, first: number, end: number): boolean {
    const plan = encoder.plan(this.rows!, first, end, true);
    if (this.used + plan.bodyBytes > this.memory.length) return false;
    encoder.write(this.rows!, plan, this.memory, this.used);
    this.laid.push({ plan, at: this.used });
    this.used += plan.bodyBytes;
    return true;
  }

  /**
   * The batch of `rows` that begins at row `first`, whose ledger has been read; undefined where there is none. Its body is
   * there until the next `begin`.
   */
  take(encoder: BatchEncoder, rows: RowSet, first: number, bytesMax: number): AheadBatch | undefined {
    const [batch] = this.laid;
    if (batch === undefined || !this.isOf(rows) || batch.plan.first !== first) return undefined;
    this.laid.shift();
    const { plan: open, at } = batch;
    const closed = encoder.close(rows, open, this.memory, at);
    if (closed !== undefined) return { plan: closed, body: this.memory.subarray(at, at + closed.bodyBytes) };
    const plan = encoder.plan(rows, first, open.end);
    return plan.bodyBytes > bytesMax ? undefined : { plan, body: undefined };
  }

  /** Lets its memory go, and what is in it. */
  trim(): void {
    this.rows = undefined;
    this.laid.length = 0;
    this.memory = new Uint8Array(0);
  }
}
