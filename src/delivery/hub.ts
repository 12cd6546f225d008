/**
 * The data plane's side of all streams: takes batches off the workers' rings, puts each stream in order and keeps it
 * for its readers. One copy is made here, from ring to slot, so that the ring is free again at once and no stream's
 * slow client can hold a worker.
 */
import { CodedError } from "../error.ts";
import type { StreamOpening } from "../threads/data-plane-messages.ts";
import { FlightTotals } from "../threads/flight-totals.ts";
import type { Dataset } from "../vocabulary/dataset.ts";
import type { Bell } from "../workers/bell.ts";
import { MessageReader } from "../workers/fragments.ts";
import {
  type AssetRecord,
  type BatchRecord,
  type LedgerSkip,
  OUTPUT,
  type SpanDoneRecord,
  unpackRecord,
} from "../workers/records.ts";
import { RingConsumer } from "../workers/ring.ts";
import type { StageTimes } from "../workers/stage-times.ts";
import { HubStream } from "./hub-stream.ts";
import { Slot, SlotPool } from "./slot.ts";
import { appMetadata } from "./stream-part.ts";

const MESSAGE_BYTES_MAX = 256 << 20; // one batch of one row of the largest ledger, formatted; anything above is a fault
const DRAIN_MS = 2; // then the event loop gets a turn, so that clients are served beside a busy ring
const SLEEP_MS = 1000; // longest single sleep on the bell

/** Takes finished batches off all output rings and keeps the streams that they belong to. */
export class Hub {
  private readonly readers: ({ ring: RingConsumer; messages: MessageReader } | undefined)[];
  private readonly streams = new Map<number, HubStream>();
  private readonly pool: SlotPool;
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
      skipped?(stream: number, skips: LedgerSkip[], count: number): void;
      traced?(stream: number, done: SpanDoneRecord, orderedUnixMs: number): void;
    },
    private readonly totals: FlightTotals = FlightTotals.create(),
    private readonly times?: StageTimes,
    slotBytesMax?: number,
  ) {
    this.pool = new SlotPool(slotBytesMax);
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
      (skips, count) => this.events.skipped?.(opening.stream, skips, count),
      (done, orderedUnixMs) => this.events.traced?.(opening.stream, done, orderedUnixMs),
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

  /** The newest session that has the dataset, of those that this node runs. */
  newest(dataset: Dataset): HubStream | undefined {
    return this.sessions().findLast((stream) => stream.hasDataset(dataset) && stream.opening.elsewhere === undefined);
  }

  /** The newest session with that dataset, waiting for one to be opened when there is none; undefined when the time is up. */
  async awaitNewest(dataset: Dataset, timeoutMs: number, signal: AbortSignal): Promise<HubStream | undefined> {
    const now = this.newest(dataset);
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
    return this.newest(dataset);
  }

  /** The server shuts down: those who wait for a session are told that none will come. */
  endWaits(): void {
    this.ending = true;
    for (const wake of [...this.arrival]) wake();
  }

  get isEnding(): boolean {
    return this.ending;
  }

  /** @param why with what its readers are ended; absent: it was removed */
  forget(number: number, why?: CodedError): void {
    const stream = this.streams.get(number);
    if (stream === undefined) return;
    this.streams.delete(number);
    this.count(stream, -1);
    stream.dispose(why);
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

  /** Lets go of memory that is kept to be used again. */
  trim(): void {
    this.pool.trim();
  }

  /** Memory of retained batches and of idle slots, for who watches over limits. */
  get slotBytes(): { retained: number; idle: number } {
    let retained = 0;
    for (const { parts } of this.streams.values()) {
      for (const { log } of parts) retained += log.retainedBytes;
    }
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
    const { opening } = stream.parts[record.part ?? 0]!;
    const slot = new Slot(this.pool, record, attachment, appMetadata(opening, record));
    try {
      stream.sequencer.batch(slot);
    } catch (thrown) {
      slot.release();
      throw thrown;
    }
  }
}
