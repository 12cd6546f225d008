/**
 * The data plane's side of all streams: takes batches off the workers' rings, puts each stream in order and keeps it
 * for its readers. One copy is made here, from ring to slot, so that the ring is free again at once and no stream's
 * slow client can hold a worker.
 */
import { BatchEncoder } from "../columns/batch-encoder.ts";
import { CodedError, type ErrorRecord } from "../error.ts";
import { RowSet } from "../ledger/row-set.ts";
import type { Bell } from "../workers/bell.ts";
import { MessageReader } from "../workers/fragments.ts";
import {
  type AssetRecord,
  align8,
  type BatchRecord,
  OUTPUT,
  type SpanDoneRecord,
  unpackRecord,
} from "../workers/records.ts";
import { RingConsumer } from "../workers/ring.ts";
import type { StageTimes } from "../workers/stage-times.ts";
import { comparePositions, encodeCursor } from "./cursor.ts";
import type { ClientReport, StreamOpening } from "./data-plane-messages.ts";
import { FlightTotals } from "./flight-totals.ts";
import { Sequencer } from "./sequencer.ts";
import { Slot, SlotPool } from "./slot.ts";
import { StreamCell } from "./stream-cell.ts";
import type { StreamClient } from "./stream-client.ts";
import { StreamLog } from "./stream-log.ts";

const MESSAGE_BYTES_MAX = 256 << 20; // one batch of one row of the largest ledger, formatted; anything above is a fault
const DRAIN_MS = 2; // then the event loop gets a turn, so that clients are served beside a busy ring
const SLEEP_MS = 1000; // longest single sleep on the bell
const CLIENTS_LEFT_MAX = 100; // of a stream's clients that have left; the last ones are remembered
const PROGRESS_LEDGERS = 1000; // without rows; then readers are told how far the stream is, as after FLUSH_INTERVAL

/** One stream, open or ended. */
export class HubStream {
  readonly cell: StreamCell;
  readonly log: StreamLog;
  /** Who reads it now, catching up or not. */
  readonly clients = new Set<StreamClient>();
  private readonly left: ClientReport[] = [];
  readonly sequencer: Sequencer;
  /** Spans in all, once the source has ended. */
  private spansTotal: number | undefined;
  private sourceError: CodedError | undefined;
  /** The last span that is in order, while no batch says that it is. */
  private unsaid: SpanDoneRecord | undefined;
  private unsaidLedgers = 0;
  private unsaidTimer: ReturnType<typeof setTimeout> | undefined;
  private saidAtMs = performance.now();

  constructor(
    readonly opening: StreamOpening,
    private readonly pool: SlotPool,
    private readonly ended: (error: CodedError | undefined) => void,
    private readonly tellLearned: (assets: AssetRecord[]) => void = () => {},
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
    this.logChanged(); // opens the gate
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

  /** Batches and spans that have left the workers and wait for an earlier one. */
  get waitingSpans(): number {
    return this.sequencer.waitingSpans;
  }

  dispose(): void {
    this.finish(new CodedError("NOT_FOUND", "SESSION_GONE", `session ${this.opening.id} has been removed`));
    this.log.dispose();
  }

  addClient(client: StreamClient): void {
    this.clients.add(client);
    this.cell.set("clients", this.clients.size);
  }

  removeClient(client: StreamClient): void {
    if (!this.clients.delete(client)) return;
    this.cell.set("clients", this.clients.size);
    this.left.push({ ...reportOf(client), leftUnixMs: Date.now() });
    if (this.left.length > CLIENTS_LEFT_MAX) this.left.shift();
  }

  /** Who reads it and who has read it, with what each had; the earliest that left first. */
  clientReports(): ClientReport[] {
    return [...this.left, ...[...this.clients].map(reportOf)];
  }

  /** The main thread has it before any client has the batch, so that whoever reads this again can be given the same. */
  private learned({ learned }: BatchRecord | SpanDoneRecord): void {
    if (learned === undefined) return;
    this.tellLearned(learned);
    this.cell.add("learnedMessages", 1);
  }

  private emit(slot: Slot): void {
    const { record } = slot;
    this.learned(record);
    this.cell.add("rows", record.rows);
    this.cell.add("batches", 1);
    this.cell.add("batchBytes", record.headerBytes + record.bodyBytes);
    if (record.ledgerComplete >= this.opening.ledgerStart) this.cell.set("ledgerCurrent", record.ledgerComplete);
    this.said();
    this.log.append(slot);
  }

  /** Tells readers how far the stream is by a batch without rows, at once where that is due, else later. */
  private sayProgress(done: SpanDoneRecord): void {
    if (done.ledgerLast === 0 || comparePositions(done.next, this.log.endPosition) <= 0) return;
    this.unsaid = done;
    this.unsaidLedgers += done.ledgers + done.ledgersSkipped;
    const ageMs = performance.now() - this.saidAtMs;
    const { flushIntervalMs } = this.opening;
    if (done.skipped !== undefined || this.unsaidLedgers >= PROGRESS_LEDGERS || ageMs >= flushIntervalMs) {
      this.appendProgress();
    } else this.unsaidTimer ??= setTimeout(() => this.appendProgress(), flushIntervalMs - ageMs);
  }

  private appendProgress(): void {
    const done = this.unsaid;
    if (done === undefined || this.over) return;
    const { stream, span, next, skipped, closedAtUnixSeconds } = done;
    this.said();
    const { front, bytes } = emptyBatch(this.opening);
    const record: BatchRecord = {
      stream,
      span,
      ledgerFirst: this.log.endPosition.ledger,
      ledgerLast: done.ledgerLast,
      ledgerComplete: next.ledger - 1,
      closedAtUnixSeconds: closedAtUnixSeconds || this.cell.get("closedAtUnixSeconds"),
      rows: 0,
      next,
      filterFrom: done.filterFrom,
      headerBytes: front,
      bodyBytes: bytes.length - align8(front),
    };
    if (skipped !== undefined) record.skipped = skipped;
    this.log.append(new Slot(this.pool, record, bytes, appMetadata(this.opening, record)));
  }

  private said(): void {
    this.unsaid = undefined;
    this.unsaidLedgers = 0;
    clearTimeout(this.unsaidTimer);
    this.unsaidTimer = undefined;
    this.saidAtMs = performance.now();
  }

  private spanDone(done: SpanDoneRecord): void {
    this.learned(done);
    this.cell.add("ledgers", done.ledgers);
    this.cell.add("rowsFiltered", done.rowsFiltered);
    this.cell.add("xdrBytes", done.xdrBytes);
    if (done.ledgerLast > 0) {
      this.cell.set("ledgerCurrent", done.ledgerLast);
      if (done.closedAtUnixSeconds > 0) this.cell.set("closedAtUnixSeconds", done.closedAtUnixSeconds);
    }
    if (done.ledgersSkipped > 0) {
      this.cell.add("ledgersSkipped", done.ledgersSkipped);
      this.cell.add("errors", done.ledgersSkipped);
    }
    this.cell.set("updatedUnixMs", Date.now());
    this.sayProgress(done);
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
    this.appendProgress(); // the last cursor is behind the last ledger, rows or not
    this.said();
    this.log.finish(error);
    this.sequencer.dispose();
    this.cell.set("updatedUnixMs", Date.now());
    this.ended(error);
  }

  private logChanged(): void {
    this.cell.setOpen(!this.log.full);
    this.cell.set("retainedBytes", this.log.retainedBytes);
    this.cell.set("heldBytes", this.log.heldBytes);
    this.cell.set("heldBatches", this.log.heldBatches);
  }
}

export class Hub {
  private readonly readers: ({ ring: RingConsumer; messages: MessageReader } | undefined)[];
  private readonly streams = new Map<number, HubStream>();
  private readonly pool = new SlotPool();
  private closed = false;
  /** Clients that wait for their turn to catch up. */
  catchUpsWaiting = 0;
  /** Resolved at the next change of the set of streams. */
  private readonly arrival = new Set<() => void>();
  /** No session will be opened any more. */
  private ending = false;

  constructor(
    workerCount: number,
    private readonly bell: Bell,
    private readonly events: {
      ended(stream: number, error: CodedError | undefined): void;
      learned?(stream: number, assets: AssetRecord[]): void;
    },
    private readonly totals: FlightTotals = FlightTotals.create(),
    private readonly times?: StageTimes,
  ) {
    this.readers = new Array(workerCount).fill(undefined);
  }

  /** A worker has a new output ring; what the old one still holds is whole and counts. */
  ring(index: number, memory: SharedArrayBuffer): void {
    const before = this.readers[index];
    if (before !== undefined) while (this.take(before.messages)) {}
    const ring = new RingConsumer(memory);
    this.readers[index] = { ring, messages: new MessageReader(ring, MESSAGE_BYTES_MAX) };
  }

  open(opening: StreamOpening): void {
    const stream = new HubStream(
      opening,
      this.pool,
      (error) => this.events.ended(opening.stream, error),
      (assets) => this.events.learned?.(opening.stream, assets),
    );
    this.streams.set(opening.stream, stream);
    this.count(stream, 1);
    for (const wake of [...this.arrival]) wake();
  }

  stream(number: number): HubStream | undefined {
    return this.streams.get(number);
  }

  /** A stream that the main thread has just opened. */
  opened(number: number): HubStream {
    const stream = this.streams.get(number);
    if (stream !== undefined) return stream;
    throw new CodedError("INTERNAL", "STREAM_UNKNOWN", `stream ${number} was not opened`);
  }

  /** The session of that id. */
  session(id: string): HubStream | undefined {
    return this.sessions().find((stream) => stream.opening.id === id);
  }

  /** Oldest first. */
  sessions(): HubStream[] {
    return this.all().filter((stream) => stream.opening.kind === "session");
  }

  /** Sessions, ranges and what clients catch up with, oldest first. */
  all(): HubStream[] {
    return [...this.streams.values()];
  }

  newest(): HubStream | undefined {
    return this.sessions().at(-1);
  }

  /** The newest session, waiting for one to be opened when there is none; undefined when the time is up. */
  async awaitNewest(timeoutMs: number, signal: AbortSignal): Promise<HubStream | undefined> {
    const now = this.newest();
    if (now !== undefined || this.ending) return now;
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.arrival.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.arrival.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
    return this.newest();
  }

  /** The server shuts down: those who wait for a session are told that none will come. */
  endWaits(): void {
    this.ending = true;
    for (const wake of [...this.arrival]) wake();
  }

  get isEnding(): boolean {
    return this.ending;
  }

  forget(number: number): void {
    const stream = this.streams.get(number);
    if (stream === undefined) return;
    this.streams.delete(number);
    this.count(stream, -1);
    stream.dispose();
  }

  private count({ opening: { kind } }: HubStream, change: 1 | -1): void {
    if (kind === "session") return;
    this.totals.add(kind === "range" ? "ranges" : "catchUps", change);
    if (change === 1) this.totals.add(kind === "range" ? "rangesOpened" : "catchUpsOpened", 1);
  }

  /** Ends `run`. Workers that wait for room in their rings are told that nobody will make any. */
  close(): void {
    this.closed = true;
    this.bell.ring();
    for (const reader of this.readers) reader?.ring.abandon();
    for (const stream of this.streams.values()) stream.dispose();
    this.streams.clear();
  }

  /** Memory of retained batches and of idle slots, for who watches over limits. */
  get slotBytes(): { retained: number; idle: number } {
    let retained = 0;
    for (const stream of this.streams.values()) retained += stream.log.retainedBytes;
    return { retained, idle: this.pool.idleBytes };
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
    const mark = this.times?.mark();
    let worked = false;
    for (let more = true; more && performance.now() < until; ) {
      more = false;
      for (const reader of this.readers) if (reader !== undefined && this.take(reader.messages)) more = worked = true;
    }
    if (worked && mark !== undefined) this.times?.add("hub", mark);
    return worked;
  }

  /** One message. What cannot be read is a fault of ours; it must not take the data plane with it. */
  private take(reader: MessageReader): boolean {
    let stream: HubStream | undefined;
    try {
      if (!reader.next()) return false;
      const { record, attachment } = unpackRecord<BatchRecord | SpanDoneRecord>(reader.payload);
      stream = this.streams.get(record.stream);
      if (stream === undefined || stream.over) reader.release();
      else {
        try {
          if (reader.tag === OUTPUT.BATCH) this.batch(stream, record as BatchRecord, attachment);
          else stream.sequencer.done(record as SpanDoneRecord);
        } finally {
          reader.release();
        }
      }
    } catch (thrown) {
      // With its stream unknown, the message may be missing from any of them.
      for (const broken of stream === undefined ? this.all() : [stream]) broken.fail(CodedError.from(thrown));
    }
    return true;
  }

  private batch(stream: HubStream, record: BatchRecord, attachment: Uint8Array): void {
    const slot = new Slot(this.pool, record, attachment, appMetadata(stream.opening, record));
    try {
      stream.sequencer.batch(slot);
    } catch (thrown) {
      slot.release();
      throw thrown;
    }
  }
}

/** A record batch of no rows: its header's size, and header, padding and body as a worker lays them down. */
function emptyBatch(opening: StreamOpening): { front: number; bytes: Uint8Array } {
  const { schemaVersion, networkPassphrase, columns } = opening;
  const encoder = new BatchEncoder({ schemaVersion, networkPassphrase, columns });
  const rows = new RowSet();
  const plan = encoder.plan(rows, 0, 0);
  const header = encoder.header(plan);
  const bytes = new Uint8Array(align8(header.length) + plan.bodyBytes);
  bytes.set(header);
  encoder.write(rows, plan, bytes, align8(header.length));
  return { front: header.length, bytes };
}

function reportOf({ peer, rows, batches, bytes, joinedUnixMs }: StreamClient): ClientReport {
  return { peer, rows, batches, bytes, joinedUnixMs, leftUnixMs: 0 };
}

const encoder = new TextEncoder();

/** The JSON that goes with every batch (design: tickets, descriptors, cursors). */
function appMetadata({ kind, id }: StreamOpening, record: BatchRecord): Uint8Array {
  return encoder.encode(
    JSON.stringify({
      [kind === "range" ? "range" : "session"]: id,
      ledger_first: record.ledgerFirst,
      ledger_last: record.ledgerLast,
      ledger_complete: record.ledgerComplete,
      closed_at: record.closedAtUnixSeconds,
      rows: record.rows,
      skipped_ledgers: record.skipped,
      filters_from: record.filterFrom,
      cursor: encodeCursor(record.next),
    }),
  );
}
