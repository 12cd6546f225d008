/**
 * Moves one stream's ledgers from its source to the workers, span by span. It is the only place that decides how
 * far the source may run ahead, so backpressure is here: a span is begun only while the stream's gate is open, few
 * enough spans are in flight and what they will become has room in the stream's share of memory; an object is sent only
 * while there is room for it among all ledgers in flight, and once everything is known that its rows have to know of
 * assets. Not pulling from the source is what stops it.
 */
import { DroppedMemory, QUIET_MS } from "../base/dropped-memory.ts";
import { EventLoopTurns } from "../base/event-loop-turns.ts";
import { pause } from "../base/pause.ts";
import { settlesWithin } from "../base/settles-within.ts";
import { CodedError } from "../error.ts";
import { settledBefore } from "../ledger/known-assets.ts";
import { inflatedBytesMax } from "../sources/file/inflated-size.ts";
import type { LedgerObject, LedgerSource } from "../sources/source.ts";
import type { StreamCell } from "../threads/stream-cell.ts";
import type { DecodePool } from "../workers/pool.ts";
import type { StreamSpec } from "../workers/records.ts";
import { memoryTurn } from "./memory-turn.ts";
import { CREDIT_WAIT_MS, PendingSpans } from "./pending-spans.ts";
import type { PumpLimits, PumpRange } from "./pump-limits.ts";
import { sendObject } from "./send-object.ts";
import { ledgersThatFit, SPAN_LEDGERS_MAX } from "./span-room.ts";
import { SpanWorkers } from "./span-workers.ts";
import type { StreamAssets } from "./stream-assets.ts";

const TURN_MS = 1; // moving objects without giving the event loop a turn; calls wait for it
const SPAN_STORED_BYTES_MAX = 4 << 20; // compressed: about ten heavy ledgers, a few batches
const SPAN_RAW_BYTES_MAX = 16 << 20; // the same for ledgers that come uncompressed
const LARGE_OBJECT_BYTES = 4 << 20; // many times an ordinary file: a few of them are what a small MAX_MEMORY_MB leaves
const ROOM_LOOK_MS = 10; // between looks whether there is room in flight for large objects
const SPANS_PER_WORKER = 2; // one being decoded, one waiting in the ring
const LINGER_MS = 20; // a source that has nothing for this long is at the tip: what is there goes out …
const IDLE_LINGER_MS = 1; // … and at once where nothing else is in flight: a fuller batch would only come later
const SOURCE_SKIPS_MAX = 1000; // ledgers in a row that a source may fail on under ON_ERROR=skip; more is no bad ledger

/** The span that takes ledgers now. */
interface OpenSpan {
  number: number;
  worker: number;
  ledgersMax: number;
  ledgers: number;
  storedBytes: number;
  rawBytes: number;
  begunMs: number;
  traced?: true;
}

/** Reads one stream's source and gives its ledgers to the workers. */
export class SpanPump {
  private spans = 0;
  private open: OpenSpan | undefined;
  private nextLedger: number;
  /** One after the last ledger of the object that is on its way into a ring. */
  private dispatchingTo = 0;
  private reservedTo = 0;
  private readonly turns = new EventLoopTurns(TURN_MS);
  private readonly pending: PendingSpans;
  private readonly workers: SpanWorkers;
  private discarded = false;
  /** What the source threw last, to tell it from what went wrong here. */
  private sourceError: CodedError | undefined;
  private sourceSkips = 0;
  /** Stored bytes of the last object that the source gave, and what the last may inflate to that there was room asked for. */
  private storedBytesLast = 0;
  private inflatedBytesLast = 0;
  private readonly dropped = new DroppedMemory();
  /** The source has nothing: it is at the tip, or slow. */
  private sourceIsIdle = false;

  constructor(
    private readonly pool: DecodePool,
    private readonly spec: StreamSpec,
    private readonly cell: StreamCell,
    private readonly source: LedgerSource,
    private readonly assets: StreamAssets,
    private readonly range: PumpRange,
    private readonly limits: PumpLimits,
    private readonly signal: AbortSignal,
  ) {
    this.nextLedger = range.ledgerStart;
    this.workers = new SpanWorkers(spec.stream, pool.size);
    this.pending = new PendingSpans(cell, limits.inFlight, () => this.giveBackWhenIdle());
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
    return this.workers.isNeeded(worker, this.cell.spansSequenced);
  }

  /** Sends nothing more, and gives back what is held: the stream is over, and what is in flight is thrown away. */
  discard(): void {
    this.discarded = true;
    this.pending.giveAll();
  }

  /**
   * Runs until the range is done or the signal aborts; the open span is closed either way, also after an error of
   * the source, so that every ledger that was read reaches the clients.
   */
  async run(): Promise<void> {
    for (;;) {
      try {
        await this.readOn();
        break;
      } catch (thrown) {
        const { sourceError } = this;
        if (sourceError === undefined || thrown !== sourceError) throw thrown;
        if (this.maySkip(sourceError)) await this.skip(sourceError);
        else await this.waitFor(sourceError);
      }
    }
    if (!this.signal.aborted && this.range.ledgerEnd !== 0 && this.nextLedger <= this.range.ledgerEnd) {
      throw new CodedError(
        "DATA_LOSS",
        "SOURCE_SHORT",
        `${this.source.description} ended before ledger ${this.nextLedger}; ${this.range.ledgerEnd} was to be the last`,
      );
    }
  }

  private async readOn(): Promise<void> {
    const { ledgerEnd } = this.range;
    if (ledgerEnd !== 0 && this.nextLedger > ledgerEnd) {
      await this.closeSpan(); // the last ledger was skipped
      return;
    }
    const { patience } = this.range;
    const onTrouble = (trouble: CodedError | undefined, retryMs: number) => {
      if (trouble === undefined) patience?.recovered();
      else patience?.failed(this.nextLedger, trouble, retryMs);
    };
    const objects = this.source.read(this.nextLedger, ledgerEnd, this.signal, onTrouble, true);
    const iterator = objects[Symbol.asyncIterator]();
    try {
      for (;;) {
        if (this.storedBytesLast >= LARGE_OBJECT_BYTES) await this.untilReady();
        const object = await this.pull(iterator);
        if (object === undefined) break;
        await this.push(object);
        await this.turns.take();
      }
    } finally {
      this.limits.large.done(this.limits.asker);
      try {
        await this.closeSpan();
      } finally {
        await iterator.return?.();
      }
    }
  }

  /** Whether ON_ERROR lets one ledger be left out for what the source has thrown. */
  private maySkip(error: CodedError): boolean {
    return this.spec.onError === "skip" && error.code === "DATA_LOSS" && ++this.sourceSkips <= SOURCE_SKIPS_MAX;
  }

  /** Until the source is to be read again. @throws CodedError `error` where that would mend nothing */
  private async waitFor(error: CodedError): Promise<void> {
    const ms = this.range.patience?.retryAfter(this.nextLedger, error);
    if (ms === undefined) throw error;
    this.sourceIsIdle = true;
    await pause(ms, this.signal);
    this.sourceIsIdle = false;
  }

  private async skip(error: CodedError): Promise<void> {
    const span = this.open ?? (await this.openSpan());
    if (span === undefined) return;
    const ledger = this.nextLedger;
    await this.reserve(ledger);
    this.dispatchingTo = ledger + 1;
    const { stream } = this.spec;
    await this.pool.sendSkip(span.worker, this.spec, { stream, span: span.number, ledger, error: error.toRecord() });
    this.nextLedger = ledger + 1;
    span.ledgers += 1;
    await this.closeSpanIfFull(span);
  }

  /** The next object; closes the open span when the source is slow or the span has grown old. */
  private async pull(iterator: AsyncIterator<LedgerObject>): Promise<LedgerObject | undefined> {
    if (this.signal.aborted) return undefined;
    const begun = performance.now();
    const pending = iterator.next();
    pending.catch(() => {}); // awaited below, unless closing the span fails first
    if (this.open !== undefined) {
      const age = performance.now() - this.open.begunMs;
      const busy = this.spans - this.cell.spansSequenced > 1;
      const linger = Math.max(0, Math.min(busy ? LINGER_MS : IDLE_LINGER_MS, this.limits.flushIntervalMs - age));
      if (!(await settlesWithin(pending, linger))) {
        this.sourceIsIdle = true;
        await this.closeSpan();
      }
    }
    try {
      const result = await pending;
      if (result.done) return undefined;
      this.range.patience?.recovered();
      return result.value;
    } catch (thrown) {
      this.sourceError = CodedError.from(thrown);
      throw this.sourceError;
    } finally {
      this.sourceIsIdle = false;
      this.waited("sourceWait", performance.now() - begun);
    }
  }

  private waited(stage: "sourceWait" | "creditWait", ms: number): void {
    this.pool.times.addWait(stage, ms);
    this.limits.traces?.waited(stage, ms);
  }

  /** Whether the data plane and the workers have room for one more span. */
  private get hasCredit(): boolean {
    return this.cell.open && this.spans - this.cell.spansSequenced < SPANS_PER_WORKER * this.pool.size;
  }

  /** Until a span could be begun: a large object is not fetched to lie here while a reader is waited for. */
  private async untilReady(): Promise<void> {
    const { ledgerEnd } = this.range;
    if (this.open !== undefined || (ledgerEnd !== 0 && this.nextLedger > ledgerEnd)) return;
    while (!this.signal.aborted) {
      const seen = this.cell.bell.read();
      if (this.hasCredit) break;
      await this.cell.bell.waitAsync(seen, CREDIT_WAIT_MS);
    }
    await this.untilMemory();
    await this.limits.large.keep(this.limits.asker, this.inflatedBytesLast, this.signal);
    while (this.limits.inFlight.waiting > 0 && !this.signal.aborted) await pause(ROOM_LOOK_MS, this.signal);
  }

  private untilMemory(): Promise<void> {
    return memoryTurn(this.limits, this.cell, this.storedBytesLast >= LARGE_OBJECT_BYTES, this.signal);
  }

  private async push(object: LedgerObject): Promise<void> {
    const ledgerFirst = Math.max(object.ledgerFirst, this.nextLedger);
    const ledgerLast =
      this.range.ledgerEnd === 0 ? object.ledgerLast : Math.min(object.ledgerLast, this.range.ledgerEnd);
    if (ledgerFirst !== this.nextLedger || ledgerLast < ledgerFirst) {
      throw new CodedError(
        "DATA_LOSS",
        "LEDGER_GAP",
        `${object.name} holds ledgers ${object.ledgerFirst} to ${object.ledgerLast}, but ${this.nextLedger} is next`,
      );
    }
    const begun = performance.now();
    const span = await this.admit(ledgerLast - ledgerFirst + 1, inflatedBytesMax(object));
    if (span === undefined) return;
    const needsAssets = this.assets.needed(ledgerFirst, ledgerLast);
    if (needsAssets && !(await this.assetsSettled(span, ledgerLast))) return;
    await this.reserve(ledgerLast);
    this.dispatchingTo = ledgerLast + 1;
    const { name, encoding, container } = object;
    const record = {
      ...{ stream: this.spec.stream, span: span.number, name, encoding, container },
      named: { ledgerFirst: object.ledgerFirst, ledgerLast: object.ledgerLast },
      ...{ ledgerFirst, ledgerLast, traced: span.traced },
    };
    const assets = needsAssets ? this.assets.table.records : undefined;
    if (!(await sendObject(this.pool, span.worker, this.spec, record, object, assets))) {
      return this.closeSpan(); // it holds room for what has not come
    }
    this.waited("creditWait", performance.now() - begun);
    this.storedBytesLast = object.bytes.length;
    if (object.release !== undefined) object.release();
    else this.dropped.add(this.storedBytesLast);
    this.nextLedger = ledgerLast + 1;
    this.sourceSkips = 0;
    span.ledgers += ledgerLast - ledgerFirst + 1;
    if (object.encoding === "none") span.rawBytes += this.storedBytesLast;
    else span.storedBytes += this.storedBytesLast;
    await this.closeSpanIfFull(span);
  }

  private async closeSpanIfFull(span: OpenSpan): Promise<void> {
    if (
      span.ledgers >= span.ledgersMax ||
      span.storedBytes >= SPAN_STORED_BYTES_MAX ||
      span.rawBytes >= SPAN_RAW_BYTES_MAX ||
      performance.now() - span.begunMs >= this.limits.flushIntervalMs
    ) {
      await this.closeSpan();
    }
  }

  private async reserve(ledger: number): Promise<void> {
    if (ledger > this.reservedTo) this.reservedTo = (await this.range.reserve?.(ledger)) ?? this.reservedTo;
  }

  /**
   * The span that takes an object of that size, once there is room for it; undefined when stopped meanwhile. Nobody
   * waits for room in flight with an open span that takes some: it is closed first, and so its room comes back.
   */
  private async admit(ledgers: number, bytes: number): Promise<OpenSpan | undefined> {
    const { inFlight, large, asker } = this.limits;
    this.inflatedBytesLast = bytes;
    for (;;) {
      const span = this.open ?? (await this.openSpan());
      if (span === undefined || this.discarded) return undefined;
      if (!large.tryTake(asker, bytes)) {
        if (span.ledgers > 0) {
          await this.closeSpan();
          continue;
        }
        if (!(await large.take(asker, bytes, this.signal))) return undefined;
        if (this.discarded) {
          inFlight.give(bytes);
          return undefined;
        }
      }
      this.pending.add(span.number, this.nextLedger, ledgers, bytes);
      return span;
    }
  }

  /**
   * Waits until all is known of assets that a ledger has to know: ledgers that are so far behind it are in order, or of
   * the same span, and what they taught has come. False when stopped meanwhile. All spans before are closed, so the
   * workers finish them whatever else this stream holds.
   */
  private async assetsSettled(span: OpenSpan, ledgerLast: number): Promise<boolean> {
    const { delayLedgers } = this.assets;
    if (delayLedgers === undefined) return true;
    for (;;) {
      if (this.discarded) return false;
      const seen = this.cell.bell.read();
      this.pending.settle(); // what these taught is counted before they are in order
      const oldest = this.pending.oldest!;
      const settled = oldest.span === span.number || oldest.ledgerFirst >= settledBefore(ledgerLast, delayLedgers);
      if (settled && this.assets.messages >= this.cell.get("learnedMessages")) return true;
      if (this.signal.aborted) return false;
      await this.cell.bell.waitAsync(seen, CREDIT_WAIT_MS);
    }
  }

  /** Spans of a stream that learns are no longer than what lets every worker have all of its own. */
  private assetSpanLedgersMax(): number {
    const { delayLedgers } = this.assets;
    if (delayLedgers === undefined || !this.assets.needed(this.nextLedger, this.nextLedger)) return SPAN_LEDGERS_MAX;
    return Math.floor(delayLedgers / (SPANS_PER_WORKER * this.pool.size));
  }

  /** Waits for credit; undefined when stopped meanwhile. */
  private async openSpan(): Promise<OpenSpan | undefined> {
    let ledgersMax = 0;
    for (;;) {
      if (this.signal.aborted) return undefined;
      const seen = this.cell.bell.read();
      if (this.hasCredit) {
        await this.untilMemory();
        this.pending.settle();
        ledgersMax = ledgersThatFit(this.cell, this.limits.slotsMax, this.spans, this.pending.ledgers);
        if (ledgersMax >= 1 || this.spans === this.cell.spansSequenced) break;
      }
      await this.cell.bell.waitAsync(seen, CREDIT_WAIT_MS);
    }
    const number = this.spans++;
    const worker = this.workers.choose(number, this.cell.spansSequenced);
    this.open = {
      ...{ number, worker },
      ledgersMax: Math.max(1, Math.min(ledgersMax, this.assetSpanLedgersMax())),
      ...{ ledgers: 0, storedBytes: 0, rawBytes: 0, begunMs: performance.now() },
      traced: this.limits.traces?.begin(number, this.nextLedger, worker),
    };
    return this.open;
  }

  /** What the memory allocator keeps of ledgers that are done goes back once nothing has come for a while. */
  private giveBackWhenIdle(): void {
    if (!this.sourceIsIdle || !this.dropped.isDue) return;
    setTimeout(() => {
      if (this.sourceIsIdle && this.pending.isEmpty) this.dropped.idle();
    }, QUIET_MS).unref();
  }

  private async closeSpan(): Promise<void> {
    const span = this.open;
    if (span === undefined) return;
    this.open = undefined;
    this.limits.traces?.closed();
    if (this.discarded) return;
    await this.pool.sendSpanEnd(span.worker, this.spec, { stream: this.spec.stream, span: span.number });
  }
}
