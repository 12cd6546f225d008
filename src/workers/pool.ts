/**
 * The decode workers: one long-lived Piscina task each, with an input ring (from this thread) and an output ring (to
 * the data plane) of its own. A worker that dies is replaced with fresh rings; whoever had work on it is told.
 */
import type { Piscina } from "piscina";
import { DECODE_ENTRY } from "../entries.ts";
import { CodedError } from "../error.ts";
import { Bell } from "./bell.ts";
import { sendAsync } from "./fragments.ts";
import { mapPiscinaWorker } from "./host.ts";
import { LedgerDurations } from "./ledger-durations.ts";
import { INPUT, type ObjectRecord, packRecord, type SpanEndRecord, type StreamSpec } from "./records.ts";
import { createRing, RingProducer } from "./ring.ts";

export const INPUT_RING_BYTES = 8 << 20; // two typical spans of compressed ledgers: the worker never waits for the next
export const OUTPUT_RING_BYTES = 8 << 20; // four batches of the 2 MiB limit: the data plane may be busy for a while
const WORKERS_MAX = 256; // more threads than any machine in use has cores

/** What a decode task is started with. Plain data: it crosses threads. */
export interface DecodeTaskData {
  index: number;
  input: SharedArrayBuffer;
  /** The worker sleeps on this when its input ring is empty. */
  inputBell: Int32Array;
  output: SharedArrayBuffer;
  /** Rung for every message to the data plane. */
  outputBell: Int32Array;
  /** Of LedgerDurations. */
  durations: SharedArrayBuffer;
}

interface Seat {
  input: RingProducer;
  output: SharedArrayBuffer;
  /** Streams that this worker knows, and the revision of the spec that it has. */
  opened: Map<number, number>;
  /** Messages of different streams must not interleave within one message's fragments. */
  turn: Promise<void>;
  dead: boolean;
}

export interface PoolEvents {
  /** A worker (re)started: the data plane has to read this ring from now on. */
  ring(index: number, output: SharedArrayBuffer): void;
  /** A worker died; streams with spans in flight on it cannot go on. */
  died(index: number, error: CodedError): void;
}

export class DecodePool {
  readonly durations = new LedgerDurations();
  private readonly seats: Seat[] = [];
  private piscina: Piscina | undefined;
  private readonly abort = new AbortController();
  private readonly tasks = new Set<Promise<void>>();
  private closing = false;

  constructor(
    readonly size: number,
    private readonly outputBell: Bell,
    private readonly events: PoolEvents,
  ) {
    if (!Number.isInteger(size) || size < 1 || size > WORKERS_MAX) {
      throw new CodedError("INVALID_ARGUMENT", "WORKER_COUNT", `WORKER_COUNT is ${size}: take 1 to ${WORKERS_MAX}`);
    }
  }

  /** Starts every worker. */
  async start(): Promise<void> {
    mapPiscinaWorker();
    const { Piscina: PiscinaClass } = await import("piscina");
    this.piscina = new PiscinaClass({
      filename: DECODE_ENTRY,
      minThreads: this.size,
      maxThreads: this.size,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: "disabled", // a task blocks its thread on our rings, not on Piscina's queue
      closeTimeout: 5000,
    });
    for (let index = 0; index < this.size; index++) this.seat(index);
  }

  /** Bytes waiting in a worker's input ring. */
  inputBytes(index: number): number {
    return this.seats[index]!.input.usedBytes;
  }

  /**
   * Hands one stored object to a worker, after the stream's spec if this worker does not have it as it is now. Waits for
   * room.
   * @throws CodedError UNAVAILABLE / WORKER_DIED
   */
  async sendObject(index: number, spec: StreamSpec, record: ObjectRecord, bytes: Uint8Array): Promise<void> {
    await this.send(index, spec, INPUT.OBJECT, [packRecord(record), bytes]);
  }

  async sendSpanEnd(index: number, spec: StreamSpec, record: SpanEndRecord): Promise<void> {
    await this.send(index, spec, INPUT.SPAN_END, [packRecord(record)]);
  }

  /** Frees what the workers hold of a stream. */
  async closeStream(stream: number): Promise<void> {
    await Promise.all(
      this.seats.map((seat) =>
        this.inTurn(seat, async () => {
          if (!seat.opened.delete(stream) || seat.dead) return;
          await sendAsync(seat.input, INPUT.CLOSE, [packRecord({ stream })], () => seat.dead);
        }).catch(() => {}),
      ),
    );
  }

  /** Lets the workers finish what is in their rings, then ends them. */
  async close(): Promise<void> {
    this.closing = true;
    for (const seat of this.seats) seat.input.close();
    const timer = setTimeout(() => this.abort.abort(), CLOSE_TIMEOUT_MS);
    await Promise.allSettled(this.tasks);
    clearTimeout(timer);
    await this.piscina?.destroy();
  }

  private async send(index: number, spec: StreamSpec, tag: number, parts: Uint8Array[]): Promise<void> {
    const seat = this.seats[index]!;
    await this.inTurn(seat, async () => {
      if (seat.opened.get(spec.stream) !== spec.revision) {
        seat.opened.set(spec.stream, spec.revision);
        await sendAsync(seat.input, INPUT.OPEN, [packRecord(spec)], () => seat.dead);
      }
      await sendAsync(seat.input, tag, parts, () => seat.dead);
    });
  }

  private async inTurn(seat: Seat, work: () => Promise<void>): Promise<void> {
    const before = seat.turn;
    let done = () => {};
    seat.turn = new Promise((resolve) => {
      done = resolve;
    });
    await before;
    try {
      await work();
    } finally {
      done();
    }
  }

  private seat(index: number): void {
    const input = createRing(INPUT_RING_BYTES);
    const output = createRing(OUTPUT_RING_BYTES);
    const inputBell = Bell.create();
    const seat: Seat = {
      input: new RingProducer(input, inputBell),
      output,
      opened: new Map(),
      turn: Promise.resolve(),
      dead: false,
    };
    this.seats[index] = seat;
    this.events.ring(index, output);
    const data: DecodeTaskData = {
      index,
      input,
      inputBell: inputBell.cells,
      output,
      outputBell: this.outputBell.cells,
      durations: this.durations.memory,
    };
    const task = this.piscina!.run(data, { signal: this.abort.signal }).then(
      () => this.ended(index, seat, undefined),
      (thrown: unknown) => this.ended(index, seat, thrown),
    );
    this.tasks.add(task);
    task.finally(() => this.tasks.delete(task));
  }

  private ended(index: number, seat: Seat, thrown: unknown): void {
    seat.dead = true;
    if (this.closing) return;
    const cause = thrown instanceof Error ? thrown.message : thrown === undefined ? "it returned" : String(thrown);
    const error = new CodedError("INTERNAL", "WORKER_DIED", `decode worker ${index} died: ${cause}`, { cause: thrown });
    this.events.died(index, error);
    this.seat(index);
  }
}

const CLOSE_TIMEOUT_MS = 5000; // a span takes milliseconds; a worker that needs longer is stuck
