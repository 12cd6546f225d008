/**
 * The shared memory of one stream: the credit by which the data plane holds the source back, and the stream's exact
 * counters. One writer (the data plane), any reader, no locks and no refresh interval.
 */
import { Bell } from "../workers/bell.ts";

const BELL = 0;
const GATE = 1;
const SPANS = 2;
const COUNTERS_OFFSET_BYTES = 64;

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
] as const;
export type Counter = (typeof COUNTERS)[number];

const INDEX = Object.fromEntries(COUNTERS.map((name, index) => [name, index])) as Record<Counter, number>;

export class StreamCell {
  private readonly control: Int32Array;
  private readonly counters: BigInt64Array;
  /** Rung when the gate opens or a span has been put in order. */
  readonly bell: Bell;

  constructor(readonly memory: SharedArrayBuffer) {
    this.control = new Int32Array(memory, 0, COUNTERS_OFFSET_BYTES / 4);
    this.counters = new BigInt64Array(memory, COUNTERS_OFFSET_BYTES);
    this.bell = new Bell(this.control, BELL);
  }

  static create(): StreamCell {
    return new StreamCell(new SharedArrayBuffer(COUNTERS_OFFSET_BYTES + COUNTERS.length * 8));
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

  /** True while finished batches have somewhere to go. */
  get open(): boolean {
    return Atomics.load(this.control, GATE) === 0;
  }

  setOpen(open: boolean): void {
    const closed = open ? 0 : 1;
    if (Atomics.exchange(this.control, GATE, closed) !== closed && open) this.bell.ring();
  }

  /** Spans whose batches are all in order in the stream. */
  get spansSequenced(): number {
    return Atomics.load(this.control, SPANS);
  }

  spanSequenced(): void {
    Atomics.add(this.control, SPANS, 1);
    this.bell.ring();
  }
}
