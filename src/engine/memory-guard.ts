/**
 * Holds the process to MAX_MEMORY_MB by what it really has: looks at resident memory, and as that comes near the limit
 * has every thread collect its garbage, and then has the pumps begin nothing new.
 *
 *     0 ──────────────── tight ─────── full ─────── limit
 *        nothing is done       collect      begin no span, except one every TURN_MS
 *
 * What is retained for readers is not garbage, so memory may stay near the limit for as long as nobody reads: one span
 * every TURN_MS is let through all the same, lest somebody who reads waits for somebody who does not.
 */
import { collect, MemoryPressure, PRESSURE } from "../base/memory-pressure.ts";
import { pause } from "../base/pause.ts";

const LOOK_MS = 20; // at 1 GB/s of new memory 20 MB between two looks
const COLLECT_MS_MIN = 250; // between two rounds of collections: each takes every thread some milliseconds
const TURN_MS = 200; // between two spans that are let through while memory is full
const MARGIN_BYTES_MIN = 80 << 20; // what spans that have begun may still add: ledgers in flight, their batches, garbage
const MARGIN_PART = 0.14; // of the limit: as much again where more is in flight
const TIGHT_BEFORE_PART = 0.06; // of the limit: collections come before the stop
const WAIT_MS = 10; // between a pump's looks
const STARTED_MS = 1000; // after so long a start has left its garbage, and the first answers are out

/**
 * Looks at resident memory every LOOK_MS once started. `full` is `bytesMax` less 80 MiB or 14 %, whichever is more;
 * `tight` is `full` less 6 % of `bytesMax`.
 */
export class MemoryGuard {
  readonly pressure = MemoryPressure.create();
  private looking: ReturnType<typeof setInterval> | undefined;
  private started: ReturnType<typeof setTimeout> | undefined;
  private collectedMs = 0;
  private turnMs = 0;
  /** Rounds of collections so far. */
  rounds = 0;

  private readonly tightBytes: number;
  private readonly fullBytes: number;

  /** @param bytesMax MAX_MEMORY_MB in bytes */
  constructor(bytesMax: number) {
    this.fullBytes = bytesMax - Math.max(MARGIN_BYTES_MIN, bytesMax * MARGIN_PART);
    this.tightBytes = this.fullBytes - bytesMax * TIGHT_BEFORE_PART;
  }

  /** Looks from now on, until `close`. What loading the modules has left behind goes once the server has started. */
  start(): void {
    this.looking ??= setInterval(() => this.look(), LOOK_MS).unref();
    this.started ??= setTimeout(() => this.collectAll(), STARTED_MS).unref();
  }

  close(): void {
    clearInterval(this.looking);
    clearTimeout(this.started);
    this.looking = undefined;
    this.started = undefined;
    this.pressure.set(PRESSURE.none);
  }

  /** @param residentBytes of the process; default: as they are now */
  look(residentBytes: number = process.memoryUsage.rss()): void {
    const isTight = residentBytes >= this.tightBytes;
    this.pressure.set(residentBytes >= this.fullBytes ? PRESSURE.full : isTight ? PRESSURE.tight : PRESSURE.none);
    if (!isTight || performance.now() - this.collectedMs < COLLECT_MS_MIN) return;
    this.rounds += 1;
    this.collectAll();
  }

  /** Has every thread collect its garbage. */
  private collectAll(): void {
    this.collectedMs = performance.now();
    this.pressure.askForMemory();
    collect(this.pressure);
  }

  /** Resolves when a span may be begun. */
  async admit(signal: AbortSignal): Promise<void> {
    while (this.pressure.isFull && !signal.aborted) {
      const now = performance.now();
      if (now - this.turnMs >= TURN_MS) {
        this.turnMs = now;
        return;
      }
      await pause(WAIT_MS, signal);
    }
  }
}
