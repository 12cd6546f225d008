/**
 * The decode workers: one long-lived Piscina task each, with an input ring (from this thread) and an output ring (to
 * the data plane) of its own. A worker's thread begins with the first work for it, so that a server without sessions has
 * none. A worker that dies is replaced with fresh rings; whoever had work on it is told.
 */
import type { Piscina } from "piscina";
import { MemoryPressure } from "../base/memory-pressure.ts";
import { DECODE_ENTRY } from "../entries.ts";
import { CodedError } from "../error.ts";
import { Bell } from "./bell.ts";
import { sendAsync } from "./fragments.ts";
import { mapPiscinaWorker } from "./host.ts";
import { LedgerDurations } from "./ledger-durations.ts";
import {
  type AssetRecord,
  INPUT,
  type ObjectRecord,
  type PartRecord,
  packRecord,
  type SkipRecord,
  type SpanEndRecord,
  type StreamSpec,
} from "./records.ts";
import { createRing, RingEnd, RingProducer } from "./ring.ts";
import { StageTimes } from "./stage-times.ts";
import { type DecodeTaskData, STARTED } from "./task-data.ts";

const INPUT_RING_BYTES = 8 << 20; // two typical spans of compressed ledgers: the worker never waits for the next
const OUTPUT_RING_BYTES = 8 << 20; // four batches of the 2 MiB limit: the data plane may be busy for a while
const RETAINED_BYTES_MAX = 16 << 20; // several dense ledgers: enough rows for a batch
const FREE_BYTES_MAX = 32 << 20; // what rows wait in, twice
const WORKERS_MAX = 256; // more threads than any machine in use has cores
const CLOSE_MS_MAX = 5000; // a span takes milliseconds; a worker that needs longer is stuck
/** A worker that dies is replaced at once, but one that dies again and again waits before each further start. */
const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = 10_000;
const RESTART_FORGOTTEN_MS = 60_000; // after so long without a death a worker counts as well again

/** Memory of each worker. */
export interface PoolSizes {
  /** Powers of two. */
  inputRingBytes: number;
  outputRingBytes: number;
  /** Inflated ledgers held for rows that wait for a full batch; then it goes out as it is. */
  retainedBytesMax: number;
  /** Memory for ledgers that is kept to be used again. */
  freeBytesMax: number;
}

const DEFAULT_SIZES: PoolSizes = {
  inputRingBytes: INPUT_RING_BYTES,
  outputRingBytes: OUTPUT_RING_BYTES,
  retainedBytesMax: RETAINED_BYTES_MAX,
  freeBytesMax: FREE_BYTES_MAX,
};

const ASSETS_PER_MESSAGE = 2048; // some 160 kB: no message is much larger than a compressed ledger

const NOT_STARTED = new Error("its thread ended before it began");

interface Seat {
  input: RingProducer;
  output: RingEnd;
  /** Streams that this worker knows, and the revision of the spec that it has. */
  opened: Map<number, number>;
  /** How many of the assets that a stream knows this worker has been told. */
  assetsTold: Map<number, number>;
  /** Messages of different streams must not interleave within one message's fragments. */
  turn: Promise<void>;
  dead: boolean;
  startedMs: number;
  /** Begins its thread; absent once that is on its way. */
  begin: (() => void) | undefined;
  /** Gives up a task that no thread has begun. */
  abort: AbortController;
  state: Int32Array;
}

interface PoolEvents {
  /** A worker (re)started: the data plane has to read this ring from now on. */
  ring(index: number, output: SharedArrayBuffer): void;
  /** A worker died; streams with spans in flight on it cannot go on. */
  died(index: number, error: CodedError): void;
}

/** The decode workers: begins a thread for each that has work, replaces one that dies, and gives each its spans. */
export class DecodePool {
  readonly durations = new LedgerDurations();
  private readonly seats: Seat[] = [];
  /** Deaths of each worker, since it was last well. */
  private readonly deaths: number[] = [];
  private readonly restarts = new Set<ReturnType<typeof setTimeout>>();
  private piscina: Piscina | undefined;
  /** Threads that are wanted before `start`. */
  private waiting: (() => void)[] = [];
  private readonly abort = new AbortController();
  private readonly tasks = new Set<Promise<void>>();
  private closing = false;

  constructor(
    readonly size: number,
    private readonly outputBell: Bell,
    private readonly events: PoolEvents,
    private readonly sizes: PoolSizes = DEFAULT_SIZES,
    readonly times: StageTimes = new StageTimes(),
    private readonly pressure: MemoryPressure = MemoryPressure.create(),
  ) {
    if (!Number.isInteger(size) || size < 1 || size > WORKERS_MAX) {
      throw new CodedError("INVALID_ARGUMENT", "WORKER_COUNT", `WORKER_COUNT is ${size}: take 1 to ${WORKERS_MAX}`);
    }
  }

  /** Gives every worker its rings: what is sent waits there until its thread has begun, after `start`. */
  seatAll(): void {
    for (let index = 0; index < this.size; index++) this.seat(index);
  }

  /** From now on threads begin: at once those of workers that have been sent something. */
  async start(): Promise<void> {
    mapPiscinaWorker();
    const { Piscina: PiscinaClass } = await import("piscina");
    if (this.closing) return;
    this.piscina = new PiscinaClass({
      filename: DECODE_ENTRY,
      minThreads: 0,
      maxThreads: this.size,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: "disabled", // a task blocks its thread on our rings, not on Piscina's queue
      closeTimeout: CLOSE_MS_MAX,
    });
    this.piscina.on("error", () => {}); // of a thread without a task; the task's promise tells of all others
    this.piscina.on("workerDestroy", () => setImmediate(() => this.reviveQueued()));
    for (const begin of this.waiting.splice(0)) begin();
  }

  /** Bytes waiting in a worker's input ring. */
  inputBytes(index: number): number {
    return this.seats[index]!.input.usedBytes;
  }

  /**
   * Hands one stored object to a worker, after the stream's spec if this worker does not have it as it is now, and after
   * what the stream knows of assets and this worker does not. Waits for room.
   * @param assets only ever appended to
   * @throws CodedError UNAVAILABLE / WORKER_DIED
   */
  async sendObject(
    index: number,
    spec: StreamSpec,
    record: ObjectRecord,
    bytes: Uint8Array,
    assets: readonly AssetRecord[] = [],
  ): Promise<void> {
    await this.send(index, spec, INPUT.OBJECT, [packRecord(record), bytes], assets);
  }

  /** More bytes of the object that was sent last of that stream. Waits for room. @throws as sendObject */
  async sendPart(index: number, spec: StreamSpec, record: PartRecord, bytes: Uint8Array): Promise<void> {
    await this.send(index, spec, INPUT.PART, [packRecord(record), bytes]);
  }

  async sendSpanEnd(index: number, spec: StreamSpec, record: SpanEndRecord): Promise<void> {
    await this.send(index, spec, INPUT.SPAN_END, [packRecord(record)]);
  }

  /** Counts a ledger as skipped, in its place. */
  async sendSkip(index: number, spec: StreamSpec, record: SkipRecord): Promise<void> {
    await this.send(index, spec, INPUT.SKIP, [packRecord(record)]);
  }

  /** Frees what the workers hold of a stream. Nothing of it may be sent afterwards. */
  async closeStream(stream: number): Promise<void> {
    await Promise.all(
      this.seats.map((seat) =>
        this.inTurn(seat, async () => {
          seat.assetsTold.delete(stream);
          if (!seat.opened.delete(stream) || seat.dead) return;
          await sendAsync(seat.input, INPUT.CLOSE, [packRecord({ stream })]);
        }).catch(() => {}),
      ),
    );
  }

  /**
   * Lets the workers finish what is in their rings, then ends them.
   * @param graceMs how long that may take; 0 when nobody takes their batches any more
   */
  async close(graceMs: number = CLOSE_MS_MAX): Promise<void> {
    this.closing = true;
    for (const timer of this.restarts) clearTimeout(timer);
    for (const seat of this.seats) {
      seat.input.close();
      if (graceMs === 0) seat.output.abandon();
    }
    const timer = setTimeout(() => this.abort.abort(), Math.max(graceMs, 1));
    await Promise.allSettled(this.tasks);
    clearTimeout(timer);
    for (const seat of this.seats) this.giveUp(seat);
    await this.piscina?.destroy();
  }

  /** Nothing will be read or written here any more: whoever waits is woken. */
  private giveUp(seat: Seat): void {
    seat.dead = true;
    seat.input.abandon();
    seat.output.abandon();
  }

  private async send(
    index: number,
    spec: StreamSpec,
    tag: number,
    parts: Uint8Array[],
    assets: readonly AssetRecord[] = [],
  ): Promise<void> {
    const seat = this.seats[index]!;
    this.begin(seat);
    await this.inTurn(seat, async () => {
      if (seat.opened.get(spec.stream) !== spec.revision) {
        seat.opened.set(spec.stream, spec.revision);
        await sendAsync(seat.input, INPUT.OPEN, [packRecord(spec)]);
      }
      const { stream } = spec;
      for (let told = seat.assetsTold.get(stream) ?? 0; told < assets.length; ) {
        const part = assets.slice(told, told + ASSETS_PER_MESSAGE);
        told += part.length;
        seat.assetsTold.set(stream, told);
        await sendAsync(seat.input, INPUT.ASSETS, [packRecord({ stream, assets: part })]);
      }
      await sendAsync(seat.input, tag, parts);
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
    const input = createRing(this.sizes.inputRingBytes);
    const output = createRing(this.sizes.outputRingBytes);
    const inputBell = Bell.create();
    const state = new Int32Array(new SharedArrayBuffer(4));
    const seat: Seat = {
      input: new RingProducer(input, inputBell),
      output: new RingEnd(output),
      opened: new Map(),
      assetsTold: new Map(),
      turn: Promise.resolve(),
      dead: false,
      startedMs: 0,
      begin: () => this.runSoon(index, seat, data),
      abort: new AbortController(),
      state,
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
      times: this.times.memory,
      state,
      pressure: this.pressure.memory,
      retainedBytesMax: this.sizes.retainedBytesMax,
      freeBytesMax: this.sizes.freeBytesMax,
    };
  }

  /** Begins the seat's thread, where it has none and none is on its way. */
  private begin(seat: Seat): void {
    const { begin } = seat;
    if (begin === undefined || this.closing) return;
    seat.begin = undefined;
    if (this.piscina === undefined) this.waiting.push(begin);
    else begin();
  }

  /**
   * A thread that dies before it has begun its task leaves the task in Piscina's queue, with no thread to come. Such
   * tasks are given up, so that they are seated again.
   */
  private reviveQueued(): void {
    const begun = this.seats.filter(({ dead, startedMs }) => !dead && startedMs > 0);
    if (this.closing || this.piscina!.threads.length >= begun.length) return;
    for (const seat of begun) if (seat.state[STARTED] === 0) seat.abort.abort(NOT_STARTED);
  }

  /** A worker that has died again and again waits first. What is sent meanwhile waits in the ring. */
  private runSoon(index: number, seat: Seat, data: DecodeTaskData): void {
    const deaths = this.deaths[index] ?? 0;
    if (deaths < 2) {
      this.run(index, seat, data);
      return;
    }
    const timer = setTimeout(
      () => {
        this.restarts.delete(timer);
        this.run(index, seat, data);
      },
      Math.min(RESTART_MS_MIN * 2 ** (deaths - 2), RESTART_MS_MAX),
    );
    this.restarts.add(timer);
  }

  private run(index: number, seat: Seat, data: DecodeTaskData): void {
    seat.startedMs = performance.now();
    const signal = AbortSignal.any([this.abort.signal, seat.abort.signal]);
    const task = this.piscina!.run(data, { signal }).then(
      () => this.ended(index, seat, undefined),
      (thrown: unknown) => this.ended(index, seat, thrown),
    );
    this.tasks.add(task);
    task.finally(() => this.tasks.delete(task));
  }

  private ended(index: number, seat: Seat, thrown: unknown): void {
    if (this.closing) return;
    this.giveUp(seat);
    const well = performance.now() - seat.startedMs >= RESTART_FORGOTTEN_MS;
    this.deaths[index] = well ? 1 : (this.deaths[index] ?? 0) + 1;
    const cause = thrown instanceof Error ? thrown.message : thrown === undefined ? "it returned" : String(thrown);
    const error = new CodedError("INTERNAL", "WORKER_DIED", `decode worker ${index} died: ${cause}`, { cause: thrown });
    this.events.died(index, error);
    this.seat(index);
    this.begin(this.seats[index]!);
  }
}
