/**
 * Puts the spans of one stream back into ledger order. Span j of a stream went to worker (first + j) mod W and each
 * worker's ring is first-in first-out, so all that can happen is that a later span's batches arrive while an earlier
 * span is still being decoded: they wait here. How many can wait is bounded by the spans that the source may have in
 * flight.
 *
 * Workers check the chain of ledgers inside a span, and here it is checked where spans meet, before anything of the later
 * one is let out.
 */
import { CodedError } from "../error.ts";
import { type ChainLink, checkFollows, hashText } from "../ledger/chain.ts";
import { comparePositions } from "../threads/cursor.ts";
import type { LedgerChainEnds } from "../vocabulary/chain-ends.ts";
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
  /** Where the next batch begins, or after; of each part. */
  private readonly next: Position[] = [];
  private readonly waiting = new Map<number, Waiting>();
  /** The last ledger of the spans before; undefined where that was left out, or is not to be checked. */
  private last: ChainLink | undefined;
  /** The stream's first ledger. */
  private first: ChainLink | undefined;
  /** Whether every ledger so far has been checked. */
  private isChained = true;

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
      for (let slot = waiting.slots[0]; slot !== undefined; slot = waiting.slots[0]) {
        this.forward(slot);
        waiting.slots.shift(); // not before: `dispose` releases what cannot go on
      }
      this.waiting.delete(this.span);
      if (waiting.done === undefined) return;
      this.close(waiting.done);
    }
  }

  /** Ends of the chain of all ledgers so far; undefined where one was left out, or the chain is not checked. */
  get chain(): LedgerChainEnds | undefined {
    const { first, last } = this;
    if (!this.isChained || first === undefined || last === undefined) return undefined;
    return {
      ...{ ledger_first: first.ledger, previous_ledger_hash: hashText(first.previousLedgerHash) },
      ...{ ledger_last: last.ledger, ledger_hash: hashText(last.hash) },
    };
  }

  /** Frees what still waits; for a stream that has ended. */
  dispose(): void {
    for (const { slots } of this.waiting.values()) for (const slot of slots) slot.release();
    this.waiting.clear();
  }

  private close(record: SpanDoneRecord): void {
    this.checkEdge(record);
    if (record.ledgerLast > 0) this.last = record.chainLast;
    if (record.ledgersSkipped > 0) this.isChained = false;
    this.span += 1;
    this.spanDone(record);
  }

  /** @throws CodedError DATA_LOSS / CHAIN_BROKEN where the span does not follow the one before */
  private checkEdge({ chainFirst }: { chainFirst?: ChainLink }): void {
    if (chainFirst === undefined) return;
    checkFollows(this.last, chainFirst);
    this.first ??= chainFirst;
  }

  private forward(slot: Slot): void {
    this.checkEdge(slot.record);
    // Order is the promise that everything else rests on, so it is checked where it is made, in production too.
    const { ledgerFirst, next, part = 0 } = slot.record;
    const expected = this.next[part] ?? this.start;
    if (ledgerFirst < expected.ledger || comparePositions(next, expected) <= 0) {
      throw new CodedError(
        "INTERNAL",
        "ORDER_VIOLATED",
        `a batch of ledgers ${ledgerFirst} to ${slot.record.ledgerLast} came when ledger ${expected.ledger} row ${expected.row} was next`,
      );
    }
    this.next[part] = next;
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
