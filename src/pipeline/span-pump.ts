/**
 * Moves one stream's ledgers from its source to the workers, span by span. It is the only place that decides how
 * far the source may run ahead, so backpressure is here: a span is begun only while the stream's gate is open and
 * few enough spans are in flight, and not pulling from the source is what stops it.
 */
import { CodedError } from "../error.ts";
import type { LedgerObject, LedgerSource } from "../sources/source.ts";
import type { DecodePool } from "../workers/pool.ts";
import type { StreamSpec } from "../workers/records.ts";
import type { StreamCell } from "./stream-cell.ts";

const SPAN_LEDGERS_MAX = 64; // enough for a full batch on quiet ledgers
const SPAN_STORED_BYTES_MAX = 4 << 20; // compressed: about ten heavy ledgers, a few batches
const SPAN_RAW_BYTES_MAX = 16 << 20; // the same for ledgers that come uncompressed
const SPANS_PER_WORKER = 2; // one being decoded, one waiting in the ring
const LINGER_MS = 20; // a source that has nothing for this long is at the tip: what is there goes out
const CREDIT_WAIT_MS = 1000; // longest single sleep; a stop is noticed at once, this is for lost worlds only

export interface PumpRange {
  ledgerStart: number;
  /** Inclusive; 0 = for ever. */
  ledgerEnd: number;
}

interface OpenSpan {
  number: number;
  worker: number;
  ledgers: number;
  storedBytes: number;
  rawBytes: number;
  begunMs: number;
}

export class SpanPump {
  private spans = 0;
  private open: OpenSpan | undefined;
  private nextLedger: number;
  /** One after the last ledger of the object that is on its way into a ring. */
  private dispatchingTo = 0;

  constructor(
    private readonly pool: DecodePool,
    private readonly spec: StreamSpec,
    private readonly cell: StreamCell,
    private readonly source: LedgerSource,
    private readonly range: PumpRange,
    private readonly flushIntervalMs: number,
    private readonly signal: AbortSignal,
  ) {
    this.nextLedger = range.ledgerStart;
  }

  /** Spans begun so far; all of them closed once `run` has settled. */
  get spanCount(): number {
    return this.spans;
  }

  /** The first ledger that no worker has been given, not even in part. */
  get nextUndispatched(): number {
    return Math.max(this.nextLedger, this.dispatchingTo);
  }

  /** True when a span that is not yet in order was given to that worker: its death takes the stream with it. */
  dependsOn(worker: number): boolean {
    for (let span = this.cell.spansSequenced; span < this.spans; span++)
      if (this.workerOf(span) === worker) return true;
    return false;
  }

  /**
   * Runs until the range is done or the signal aborts; the open span is closed either way, also after an error of
   * the source, so that every ledger that was read reaches the clients.
   */
  async run(): Promise<void> {
    const iterator = this.source
      .read(this.range.ledgerStart, this.range.ledgerEnd, this.signal)
      [Symbol.asyncIterator]();
    try {
      for (;;) {
        const object = await this.pull(iterator);
        if (object === undefined) break;
        await this.push(object);
      }
    } finally {
      if (this.open !== undefined) await this.closeSpan();
      await iterator.return?.();
    }
    if (!this.signal.aborted && this.range.ledgerEnd !== 0 && this.nextLedger <= this.range.ledgerEnd) {
      throw new CodedError(
        "DATA_LOSS",
        "SOURCE_SHORT",
        `${this.source.description} ended before ledger ${this.nextLedger}; ${this.range.ledgerEnd} was to be the last`,
      );
    }
  }

  /** The next object; closes the open span when the source is slow or the span has grown old. */
  private async pull(iterator: AsyncIterator<LedgerObject>): Promise<LedgerObject | undefined> {
    if (this.signal.aborted) return undefined;
    const pending = iterator.next();
    if (this.open !== undefined) {
      const age = performance.now() - this.open.begunMs;
      const linger = Math.max(0, Math.min(LINGER_MS, this.flushIntervalMs - age));
      if (!(await settlesWithin(pending, linger))) await this.closeSpan();
    }
    const result = await pending;
    return result.done ? undefined : result.value;
  }

  private async push(object: LedgerObject): Promise<void> {
    const ledgerFirst = Math.max(object.ledgerFirst, this.range.ledgerStart);
    const ledgerLast =
      this.range.ledgerEnd === 0 ? object.ledgerLast : Math.min(object.ledgerLast, this.range.ledgerEnd);
    if (ledgerFirst !== this.nextLedger || ledgerLast < ledgerFirst) {
      throw new CodedError(
        "DATA_LOSS",
        "LEDGER_GAP",
        `${object.name} holds ledgers ${object.ledgerFirst} to ${object.ledgerLast}, but ${this.nextLedger} is next`,
      );
    }
    const span = this.open ?? (await this.openSpan());
    if (span === undefined) return;
    this.dispatchingTo = ledgerLast + 1;
    await this.pool.sendObject(
      span.worker,
      this.spec,
      {
        stream: this.spec.stream,
        span: span.number,
        name: object.name,
        encoding: object.encoding,
        container: object.container,
        ledgerFirst,
        ledgerLast,
      },
      object.bytes,
    );
    this.nextLedger = ledgerLast + 1;
    span.ledgers += ledgerLast - ledgerFirst + 1;
    if (object.encoding === "none") span.rawBytes += object.bytes.length;
    else span.storedBytes += object.bytes.length;
    if (
      span.ledgers >= SPAN_LEDGERS_MAX ||
      span.storedBytes >= SPAN_STORED_BYTES_MAX ||
      span.rawBytes >= SPAN_RAW_BYTES_MAX ||
      performance.now() - span.begunMs >= this.flushIntervalMs
    ) {
      await this.closeSpan();
    }
  }

  /** Waits for credit; undefined when stopped meanwhile. */
  private async openSpan(): Promise<OpenSpan | undefined> {
    for (;;) {
      if (this.signal.aborted) return undefined;
      const seen = this.cell.bell.read();
      const inFlight = this.spans - this.cell.spansSequenced;
      if (this.cell.open && inFlight < SPANS_PER_WORKER * this.pool.size) break;
      await this.cell.bell.waitAsync(seen, CREDIT_WAIT_MS);
    }
    const number = this.spans++;
    this.open = {
      number,
      worker: this.workerOf(number),
      ledgers: 0,
      storedBytes: 0,
      rawBytes: 0,
      begunMs: performance.now(),
    };
    return this.open;
  }

  private workerOf(span: number): number {
    return (this.spec.stream + span) % this.pool.size;
  }

  private async closeSpan(): Promise<void> {
    const span = this.open!;
    this.open = undefined;
    await this.pool.sendSpanEnd(span.worker, this.spec, { stream: this.spec.stream, span: span.number });
  }
}

/** Whether the promise settles (either way) within the time; its rejection is left to whoever awaits it. */
async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  const first = await Promise.race([settled, late]);
  clearTimeout(timer);
  return first;
}
