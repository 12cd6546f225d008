/**
 * The data plane's side of all streams: takes batches off the workers' rings, puts each stream in order and keeps it
 * for its readers. One copy is made here, from ring to slot, so that the ring is free again at once and no stream's
 * slow client can hold a worker.
 */
import { CodedError, type ErrorRecord } from "../error.ts";
import type { Bell } from "../workers/bell.ts";
import { MessageReader } from "../workers/fragments.ts";
import { type BatchRecord, OUTPUT, type SpanDoneRecord, unpackRecord } from "../workers/records.ts";
import { RingConsumer } from "../workers/ring.ts";
import { encodeCursor } from "./cursor.ts";
import type { StreamOpening } from "./data-plane-messages.ts";
import { Sequencer } from "./sequencer.ts";
import { Slot, SlotPool } from "./slot.ts";
import { StreamCell } from "./stream-cell.ts";
import { StreamLog, type StreamReader } from "./stream-log.ts";

const MESSAGE_BYTES_MAX = 256 << 20; // one batch of one row of the largest ledger, formatted; anything above is a fault
const DRAIN_MS = 2; // then the event loop gets a turn, so that clients are served beside a busy ring
const SLEEP_MS = 1000; // longest single sleep on the bell

/** One stream, open or ended. */
export class HubStream {
  readonly cell: StreamCell;
  readonly log: StreamLog;
  readonly sequencer: Sequencer;
  /** Spans in all, once the source has ended. */
  private spansTotal: number | undefined;
  private sourceError: CodedError | undefined;

  constructor(
    readonly opening: StreamOpening,
    private readonly ended: (error: CodedError | undefined) => void,
  ) {
    this.cell = new StreamCell(opening.cell);
    this.log = new StreamLog(
      opening.start,
      { slotsMax: opening.slotsMax, retainedBytesMax: opening.retainedBytesMax },
      () => this.logChanged(),
    );
    this.sequencer = new Sequencer(
      opening.start,
      (slot) => this.emit(slot),
      (done) => this.spanDone(done),
    );
  }

  get over(): boolean {
    return this.log.ending !== undefined;
  }

  sourceEnded(spans: number, error: ErrorRecord | undefined): void {
    this.spansTotal = spans;
    this.sourceError = error === undefined ? undefined : CodedError.fromRecord(error);
    this.finishWhenComplete();
  }

  fail(error: CodedError): void {
    if (this.over) return;
    this.cell.add("errors", 1);
    this.finish(error);
  }

  join(nowMs: number): StreamReader {
    return this.log.join(nowMs);
  }

  dispose(): void {
    this.finish(new CodedError("NOT_FOUND", "SESSION_GONE", `session ${this.opening.id} has been removed`));
    this.log.dispose();
  }

  private emit(slot: Slot): void {
    const { record } = slot;
    this.cell.add("rows", record.rows);
    this.cell.add("batches", 1);
    this.cell.add("batchBytes", record.headerBytes + record.bodyBytes);
    if (record.ledgerComplete >= this.opening.ledgerStart) this.cell.set("ledgerCurrent", record.ledgerComplete);
    this.log.append(slot);
  }

  private spanDone(done: SpanDoneRecord): void {
    this.cell.add("ledgers", done.ledgers);
    this.cell.add("rowsFiltered", done.rowsFiltered);
    this.cell.add("xdrBytes", done.xdrBytes);
    if (done.ledgerLast > 0) {
      this.cell.set("ledgerCurrent", done.ledgerLast);
      this.cell.set("closedAtUnixSeconds", done.closedAtUnixSeconds);
    }
    this.cell.set("updatedUnixMs", Date.now());
    if (done.error !== undefined) this.fail(CodedError.fromRecord(done.error));
    this.cell.spanSequenced();
    this.finishWhenComplete();
  }

  private finishWhenComplete(): void {
    if (this.spansTotal === undefined || this.over || this.sequencer.current < this.spansTotal) return;
    if (this.sourceError !== undefined) this.cell.add("errors", 1);
    this.finish(this.sourceError);
  }

  private finish(error: CodedError | undefined): void {
    if (this.over) return;
    this.log.finish(error);
    this.sequencer.dispose();
    this.cell.set("updatedUnixMs", Date.now());
    this.ended(error);
  }

  private logChanged(): void {
    this.cell.setOpen(!this.log.full);
    this.cell.set("clients", this.log.readerCount);
    this.cell.set("retainedBytes", this.log.retainedBytes);
  }
}

export class Hub {
  private readonly readers: (MessageReader | undefined)[];
  private readonly streams = new Map<number, HubStream>();
  private readonly pool = new SlotPool();
  private closed = false;
  /** Resolved at the next change of the set of streams. */
  private arrival: Array<() => void> = [];

  constructor(
    workerCount: number,
    private readonly bell: Bell,
    private readonly events: { ended(stream: number, error: CodedError | undefined): void },
  ) {
    this.readers = new Array<MessageReader | undefined>(workerCount).fill(undefined);
  }

  /** A worker has a new output ring; what the old one still holds is whole and counts. */
  ring(index: number, memory: SharedArrayBuffer): void {
    const before = this.readers[index];
    if (before !== undefined) while (this.take(before)) {}
    this.readers[index] = new MessageReader(new RingConsumer(memory), MESSAGE_BYTES_MAX);
  }

  open(opening: StreamOpening): void {
    const stream = new HubStream(opening, (error) => this.events.ended(opening.stream, error));
    this.streams.set(opening.stream, stream);
    for (const wake of this.arrival.splice(0)) wake();
  }

  stream(number: number): HubStream | undefined {
    return this.streams.get(number);
  }

  byId(id: string): HubStream | undefined {
    for (const stream of this.streams.values()) if (stream.opening.id === id) return stream;
    return undefined;
  }

  /** Oldest first. */
  all(): HubStream[] {
    return [...this.streams.values()];
  }

  newest(): HubStream | undefined {
    return this.all().at(-1);
  }

  /** The newest stream, waiting for one to be opened when there is none; undefined when the time is up. */
  async awaitNewest(timeoutMs: number, signal: AbortSignal): Promise<HubStream | undefined> {
    const now = this.newest();
    if (now !== undefined) return now;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      const wake = () => {
        clearTimeout(timer);
        resolve();
      };
      this.arrival.push(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
    return this.newest();
  }

  forget(number: number): void {
    this.streams.get(number)?.dispose();
    this.streams.delete(number);
  }

  close(): void {
    this.closed = true;
    this.bell.ring();
  }

  /** Takes messages until `close`. */
  async run(): Promise<void> {
    while (!this.closed) {
      const seen = this.bell.read();
      if (this.drain()) await new Promise<void>((resolve) => setImmediate(resolve));
      else await this.bell.waitAsync(seen, SLEEP_MS);
    }
  }

  /** Whether there was anything. */
  private drain(): boolean {
    const until = performance.now() + DRAIN_MS;
    let worked = false;
    for (let more = true; more && performance.now() < until; ) {
      more = false;
      for (const reader of this.readers) if (reader !== undefined && this.take(reader)) more = worked = true;
    }
    return worked;
  }

  private take(reader: MessageReader): boolean {
    if (!reader.next()) return false;
    try {
      if (reader.tag === OUTPUT.BATCH) this.batch(reader.payload);
      else this.spanDone(unpackRecord<SpanDoneRecord>(reader.payload).record);
    } finally {
      reader.release();
    }
    return true;
  }

  private batch(payload: Uint8Array): void {
    const { record, attachment } = unpackRecord<BatchRecord>(payload);
    const stream = this.streams.get(record.stream);
    if (stream === undefined || stream.over) return;
    const slot = new Slot(this.pool, record, attachment, appMetadata(stream.opening.id, record));
    this.guard(stream, () => stream.sequencer.batch(slot));
  }

  private spanDone(record: SpanDoneRecord): void {
    const stream = this.streams.get(record.stream);
    if (stream === undefined || stream.over) return;
    this.guard(stream, () => stream.sequencer.done(record));
  }

  /** A broken promise of order ends the stream that it concerns, not the process. */
  private guard(stream: HubStream, work: () => void): void {
    try {
      work();
    } catch (thrown) {
      stream.fail(CodedError.from(thrown));
    }
  }
}

const encoder = new TextEncoder();

/** The JSON that goes with every batch (design: tickets, descriptors, cursors). */
function appMetadata(id: string, record: BatchRecord): Uint8Array {
  return encoder.encode(
    JSON.stringify({
      session: id,
      ledger_first: record.ledgerFirst,
      ledger_last: record.ledgerLast,
      ledger_complete: record.ledgerComplete,
      closed_at: record.closedAtUnixSeconds,
      rows: record.rows,
      cursor: encodeCursor(record.next),
    }),
  );
}
