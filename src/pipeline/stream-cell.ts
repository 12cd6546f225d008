/**
 * The shared memory of one stream: the credit by which the data plane holds the source back, and the stream's exact
 * counters. One writer (the data plane), any reader, no locks and no refresh interval.
 */
import { Bell } from "../workers/bell.ts";

const BELL = 0;
const GATE = 1;
const SPANS = 2;
const MARK = 3; // odd while a mark is being written
const COUNTERS_OFFSET_BYTES = 64;
const CLOSED = 0; // as a new cell is: a batch that came before its stream was known would be lost
const OPEN = 1;

/** In this order in memory. */
export const COUNTERS = [
  "ledgerCurrent",
  "ledgers",
  "rows",
  "rowsFiltered",
  "batches",
  "xdrBytes",
  "batchBytes",
  "errors",
  "clients",
  "rowsSent",
  "bytesSent",
  "closedAtUnixSeconds",
  "updatedUnixMs",
  "retainedBytes",
  /** Of those, what some reader still needs. */
  "heldBytes",
  "heldBatches",
  /** Left out because they could not be decoded (ON_ERROR=skip). */
  "ledgersSkipped",
  /** Messages to the main thread with assets that batches and spans in order have taught. */
  "learnedMessages",
] as const;
export type Counter = (typeof COUNTERS)[number];

const INDEX = Object.fromEntries(COUNTERS.map((name, index) => [name, index])) as Record<Counter, number>;

export class StreamCell {
  private readonly control: Int32Array;
  private readonly counters: BigInt64Array;
  /** The counters as they were when the last span was in order. */
  private readonly marked: BigInt64Array;
  /** Rung when the gate opens or a span has been put in order. */
  readonly bell: Bell;

  constructor(readonly memory: SharedArrayBuffer) {
    this.control = new Int32Array(memory, 0, COUNTERS_OFFSET_BYTES / 4);
    this.counters = new BigInt64Array(memory, COUNTERS_OFFSET_BYTES, COUNTERS.length);
    this.marked = new BigInt64Array(memory, COUNTERS_OFFSET_BYTES + COUNTERS.length * 8, COUNTERS.length);
    this.bell = new Bell(this.control, BELL);
  }

  static create(): StreamCell {
    return new StreamCell(new SharedArrayBuffer(COUNTERS_OFFSET_BYTES + 2 * COUNTERS.length * 8));
  }

  get(counter: Counter): number {
    return Number(Atomics.load(this.counters, INDEX[counter]));
  }

  set(counter: Counter, value: number): void {
    Atomics.store(this.counters, INDEX[counter], BigInt(value));
  }

  add(counter: Counter, value: number): void {
    Atomics.add(this.counters, INDEX[counter], BigInt(value));
  }

  /** True while the data plane knows the stream and finished batches have somewhere to go. */
  get open(): boolean {
    return Atomics.load(this.control, GATE) === OPEN;
  }

  setOpen(open: boolean): void {
    const gate = open ? OPEN : CLOSED;
    if (Atomics.exchange(this.control, GATE, gate) !== gate && open) this.bell.ring();
  }

  /** Spans whose batches are all in order in the stream. */
  get spansSequenced(): number {
    return Atomics.load(this.control, SPANS);
  }

  spanSequenced(): void {
    this.setMark();
    Atomics.add(this.control, SPANS, 1);
    this.bell.ring();
  }

  /** How often a span has been put in order since the stream began: tells whether the mark has moved. */
  get marks(): number {
    return Atomics.load(this.control, MARK) >>> 1;
  }

  /**
   * All counters as they stood together when the last span was in order: everything up to `ledgerCurrent` and nothing
   * of what follows. Undefined before the first span.
   */
  mark(): Record<Counter, number> | undefined {
    for (;;) {
      const before = Atomics.load(this.control, MARK);
      if (before === 0) return undefined;
      if ((before & 1) === 1) continue; // the writer needs a microsecond
      const values = COUNTERS.map((name, index) => [name, Number(Atomics.load(this.marked, index))]);
      if (Atomics.load(this.control, MARK) === before) return Object.fromEntries(values) as Record<Counter, number>;
    }
  }

  private setMark(): void {
    Atomics.add(this.control, MARK, 1);
    for (let index = 0; index < COUNTERS.length; index++) {
      Atomics.store(this.marked, index, Atomics.load(this.counters, index));
    }
    Atomics.add(this.control, MARK, 1);
  }
}
