/**
 * How near the process is to its memory limit, for all its threads: a plan counts what is meant to be held, and what is
 * really held has garbage in it that each thread's collector has not come to yet. One thread looks at resident memory and
 * writes here; the others ask between two pieces of work, which costs one atomic load.
 */
const LEVEL = 0;
const ROUND = 1;
const CELLS = 2;

/** Levels of pressure, in rising order: a comparison with >= includes the higher levels. */
export const PRESSURE = {
  none: 0,
  /** Garbage and idle buffers are given back. */
  tight: 1,
  /** And nothing new is begun. */
  full: 2,
} as const;

/**
 * One thread's view of the pressure. All threads share `memory`, two Int32 cells: the level (PRESSURE), and a counter
 * of requests to give memory back. Each thread makes its own object, since `isAsked` remembers the last request it saw.
 */
export class MemoryPressure {
  private readonly cells: Int32Array;
  private seen: number;

  constructor(readonly memory: SharedArrayBuffer) {
    this.cells = new Int32Array(memory);
    this.seen = Atomics.load(this.cells, ROUND);
  }

  static create(): MemoryPressure {
    return new MemoryPressure(new SharedArrayBuffer(CELLS * Int32Array.BYTES_PER_ELEMENT));
  }

  get isFull(): boolean {
    return Atomics.load(this.cells, LEVEL) >= PRESSURE.full;
  }

  /** By the one who looks. */
  set(level: number): void {
    Atomics.store(this.cells, LEVEL, level);
  }

  /** By the one who looks: every thread is to give back what it can do without, once. */
  askForMemory(): void {
    Atomics.add(this.cells, ROUND, 1);
  }

  /** Whether this thread has been asked since it last asked here; it then drops what is idle and calls `collect`. */
  isAsked(): boolean {
    const round = Atomics.load(this.cells, ROUND);
    if (round === this.seen) return false;
    this.seen = round;
    return true;
  }
}

/**
 * Collects this thread's garbage now; where memory is full, what the thread could make again goes too. Compiled code
 * is most of it: thrown away at each round, its compiling cost a tenth of all CPU.
 */
export function collect(pressure: MemoryPressure): void {
  Bun.gc(true);
  if (pressure.isFull) Bun.shrink();
}
