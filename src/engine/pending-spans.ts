/** One stream's spans that have begun and are not in order yet, with what they hold of the memory in flight. */
import type { StreamCell } from "../threads/stream-cell.ts";
import type { InFlight } from "./in-flight.ts";

/** Longest single sleep on a stream's bell; a stop is noticed at once, this is for lost wake-ups only. */
export const CREDIT_WAIT_MS = 1000;

/** What a span that is not in order yet holds. */
interface PendingSpan {
  span: number;
  ledgerFirst: number;
  ledgers: number;
  /** Its part of `InFlight`. */
  bytes: number;
}

/** Gives room back as spans come into order, whatever the pump itself waits for. */
export class PendingSpans {
  /** Oldest first. */
  private readonly spans: PendingSpan[] = [];
  private watching = false;

  /** @param emptied called each time the last of them is in order */
  constructor(
    private readonly cell: StreamCell,
    private readonly inFlight: InFlight,
    private readonly emptied: () => void,
  ) {}

  get isEmpty(): boolean {
    return this.spans.length === 0;
  }

  get oldest(): Readonly<PendingSpan> | undefined {
    return this.spans[0];
  }

  /** Ledgers in all of them. */
  get ledgers(): number {
    let ledgers = 0;
    for (const span of this.spans) ledgers += span.ledgers;
    return ledgers;
  }

  /** `ledgers` more in the span, which is the newest; the caller has taken `bytes` of `InFlight` for them. */
  add(span: number, ledgerFirst: number, ledgers: number, bytes: number): void {
    const last = this.spans.at(-1);
    if (last?.span === span) {
      last.bytes += bytes;
      last.ledgers += ledgers;
    } else this.spans.push({ span, ledgerFirst, ledgers, bytes });
    void this.watch();
  }

  /** Gives back what spans held that are in order now. */
  settle(): void {
    this.give(this.cell.spansSequenced);
  }

  /** Gives back what all of them hold. */
  giveAll(): void {
    this.give(Number.POSITIVE_INFINITY);
  }

  private give(spansBefore: number): void {
    while (this.spans.length > 0 && this.spans[0]!.span < spansBefore) this.inFlight.give(this.spans.shift()!.bytes);
  }

  private async watch(): Promise<void> {
    if (this.watching) return;
    this.watching = true;
    while (this.spans.length > 0) {
      const seen = this.cell.bell.read();
      this.settle();
      if (this.spans.length > 0) await this.cell.bell.waitAsync(seen, CREDIT_WAIT_MS);
    }
    this.watching = false;
    this.emptied();
  }
}
