/**
 * The shared memory of one stream: the credit by which the data plane holds the source back, the memory that the main
 * thread lets the stream have, and its exact counters, with those of each of its parts behind them. One writer (the
 * data plane; of the memory limit the main thread), any reader, no locks and no refresh interval.
 */
import { Bell } from "../workers/bell.ts";

const BELL = 0;
const GATE = 1;
const SPANS = 2;
const MARK = 3; // odd while a mark is being written
const LIMIT_OFFSET_BYTES = 32;
const COUNTERS_OFFSET_BYTES = 64;
const CLOSED = 0; // as a new cell is: a batch that came before its stream was known would be lost
const OPEN = 1;

/** In this order in memory. */
const COUNTERS = [
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
  /** Retained bytes that some reader still needs; with parts as if all held as much as the one that holds most. */
  "heldBytes",
  "heldBatches",
  /** Left out because they could not be decoded (ON_ERROR=skip). */
  "ledgersSkipped",
  /** Messages to the main thread with assets that batches and spans in order have taught. */
  "learnedMessages",
] as const;
/** A counter of a stream by name. */
export type Counter = (typeof COUNTERS)[number];

const INDEX = Object.fromEntries(COUNTERS.map((name, index) => [name, index])) as Record<Counter, number>;

/** What the counters of a stream and of one part have in common. */
export interface Counters {
  get(counter: Counter): number;
  set(counter: Counter, value: number): void;
  add(counter: Counter, value: number): void;
}

/** A stream's counters, gate and credit in shared memory: each number has one thread that writes it. */
export class StreamCell implements Counters {
  private readonly control: Int32Array;
  /** The memory limit, and the end of the lease. */
  private readonly limit: BigInt64Array;
  private readonly counters: BigInt64Array;
  /** The counters as they were when the last span was in order. */
  private readonly marked: BigInt64Array;
  /** Rung when the gate opens or a span has been put in order. */
  readonly bell: Bell;

  constructor(readonly memory: SharedArrayBuffer) {
    this.control = new Int32Array(memory, 0, COUNTERS_OFFSET_BYTES / 4);
    this.limit = new BigInt64Array(memory, LIMIT_OFFSET_BYTES, 2);
    const length = (memory.byteLength - COUNTERS_OFFSET_BYTES) / 16;
    this.counters = new BigInt64Array(memory, COUNTERS_OFFSET_BYTES, length);
    this.marked = new BigInt64Array(memory, COUNTERS_OFFSET_BYTES + length * 8, length);
    this.bell = new Bell(this.control, BELL);
  }

  /** @param parts how many have counters of their own; 0 for a stream that is read as one */
  static create(parts = 0): StreamCell {
    return new StreamCell(new SharedArrayBuffer(COUNTERS_OFFSET_BYTES + 2 * (1 + parts) * COUNTERS.length * 8));
  }

  /** How many parts have counters here; 0 for a stream that is read as one. */
  get parts(): number {
    return this.counters.length / COUNTERS.length - 1;
  }

  /** The counters of one part; what is added to them is added to the stream's too. */
  part(index: number): Counters {
    const { counters } = this;
    const at = (counter: Counter) => (1 + index) * COUNTERS.length + INDEX[counter];
    return {
      get: (counter) => Number(Atomics.load(counters, at(counter))),
      set: (counter, value) => {
        Atomics.store(counters, at(counter), BigInt(value));
      },
      add: (counter, value) => {
        Atomics.add(counters, at(counter), BigInt(value));
        this.add(counter, value);
      },
    };
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

  /** Memory that the stream's retained batches may take, of all its parts together; it changes as others come and go. */
  get retainedBytesMax(): number {
    return Number(Atomics.load(this.limit, 0));
  }

  setRetainedBytesMax(bytes: number): void {
    Atomics.store(this.limit, 0, BigInt(bytes));
  }

  /** Until when batches may be given out, in unixNowMs(); 0: for ever. The main thread writes it. */
  get leaseUntilMs(): number {
    return Number(Atomics.load(this.limit, 1));
  }

  setLeaseUntilMs(untilMs: number): void {
    Atomics.store(this.limit, 1, BigInt(Math.floor(untilMs)));
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
    return this.marksOfAll()?.[0];
  }

  /** The mark, and behind it that of each part, as they stood together. */
  marksOfAll(): Record<Counter, number>[] | undefined {
    for (;;) {
      const before = Atomics.load(this.control, MARK);
      if (before === 0) return undefined;
      if ((before & 1) === 1) continue; // the writer needs a microsecond
      const values = Array.from({ length: 1 + this.parts }, (_, part) => {
        const at = part * COUNTERS.length;
        return Object.fromEntries(
          COUNTERS.map((name, index) => [name, Number(Atomics.load(this.marked, at + index))]),
        ) as Record<Counter, number>;
      });
      if (Atomics.load(this.control, MARK) === before) return values;
    }
  }

  private setMark(): void {
    Atomics.add(this.control, MARK, 1);
    for (let index = 0; index < this.counters.length; index++) {
      Atomics.store(this.marked, index, Atomics.load(this.counters, index));
    }
    Atomics.add(this.control, MARK, 1);
  }
}
