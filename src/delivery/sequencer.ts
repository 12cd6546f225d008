/**
 * Puts the spans of one stream back into ledger order. Span j of a stream went to worker (first + j) mod W and each
 * worker's ring is first-in first-out, so all that can happen is that a later span's batches arrive while an earlier
 * span is still being decoded: they wait here. How many can wait is bounded by the spans that the source may have in
 * flight.
 */
import { CodedError } from "../error.ts";
import { comparePositions } from "../threads/cursor.ts";
import type { Position } from "../vocabulary/position.ts";
import type { SpanDoneRecord } from "../workers/records.ts";
import type { Slot } from "./slot.ts";

interface Waiting {
  slots: Slot[];
  done?: SpanDoneRecord;
}

/** Restores the ledger order of one stream's batches. */
export class Sequencer {
  private span = 0;
  /** Where the next batch begins, or after; of each partition. */
  private readonly next: Position[] = [];
  private readonly waiting = new Map<number, Waiting>();

  constructor(
    private readonly start: Position,
    private readonly emit: (slot: Slot) => void,
    private readonly spanDone: (done: SpanDoneRecord) => void,
  ) {}

  /** Number of the span that is being emitted. */
  get current(): number {
    return this.span;
  }

  /** Spans that wait for an earlier one. */
  get waitingSpans(): number {
    return this.waiting.size;
  }

  batch(slot: Slot): void {
    if (slot.record.span === this.span) this.forward(slot);
    else this.wait(slot.record.span).slots.push(slot);
  }

  done(record: SpanDoneRecord): void {
    if (record.span !== this.span) {
      this.wait(record.span).done = record;
      return;
    }
    this.close(record);
    for (;;) {
      const waiting = this.waiting.get(this.span);
      if (waiting === undefined) return;
      this.waiting.delete(this.span);
      for (const slot of waiting.slots) this.forward(slot);
      if (waiting.done === undefined) return;
      this.close(waiting.done);
    }
  }

  /** Frees what still waits; for a stream that has ended. */
  dispose(): void {
    for (const { slots } of this.waiting.values()) for (const slot of slots) slot.release();
    this.waiting.clear();
  }

  private close(record: SpanDoneRecord): void {
    this.span += 1;
    this.spanDone(record);
  }

  private forward(slot: Slot): void {
    // Order is the promise that everything else rests on, so it is checked where it is made, in production too.
    const { ledgerFirst, next, partition = 0 } = slot.record;
    const expected = this.next[partition] ?? this.start;
    if (ledgerFirst < expected.ledger || comparePositions(next, expected) <= 0) {
      throw new CodedError(
        "INTERNAL",
        "ORDER_VIOLATED",
        `a batch of ledgers ${ledgerFirst} to ${slot.record.ledgerLast} came when ledger ${expected.ledger} row ${expected.row} was next`,
      );
    }
    this.next[partition] = next;
    this.emit(slot);
  }

  private wait(span: number): Waiting {
    if (span < this.span) {
      throw new CodedError("INTERNAL", "ORDER_VIOLATED", `span ${span} came again; span ${this.span} is next`);
    }
    let waiting = this.waiting.get(span);
    if (waiting === undefined) {
      waiting = { slots: [] };
      this.waiting.set(span, waiting);
    }
    return waiting;
  }
}
