/**
 * Where the time of the pipeline goes: wall and CPU seconds per stage in shared memory, added up by every thread, read
 * at any moment. What is waited for is counted by itself, and takes no CPU. Where a stage's wall time is far above its CPU
 * time, its thread did not get a core.
 */
const STAGES = [
  /** Workers: zstd. */
  "inflate",
  /** Workers: the walk over a ledger's XDR, rules, filters, key hashes. */
  "decode",
  /** Workers: rows measured, formatted and laid down as Arrow; and moved where they wait for that. */
  "encode",
  /** Workers: waiting for room in the output ring. */
  "outputWait",
  /** Workers: waiting for something to do. */
  "inputWait",
  /** Data plane: batches off the rings into slots, and put in order. */
  "hub",
  /** Main thread: waiting for the source. */
  "sourceWait",
  /** Main thread: waiting for credit, memory or room in an input ring. */
  "creditWait",
] as const;
type Stage = (typeof STAGES)[number];

const INDEX = Object.fromEntries(STAGES.map((name, index) => [name, index])) as Record<Stage, number>;
const CPU = STAGES.length; // wall times of all stages, then CPU times, in microseconds

/** When a piece of work began, on the calling thread's clocks. */
interface StageMark {
  wallMs: number;
  cpuMicros: number;
  /** What other stages had taken by then. */
  within: { wallMs: number; cpuMicros: number };
}

/** Seconds. */
interface StageSeconds {
  wall: Record<Stage, number>;
  cpu: Record<Stage, number>;
}

/** Time of one thread by stage of the pipeline, in shared memory. */
export class StageTimes {
  private readonly cells: BigInt64Array;
  /** Wall milliseconds of this object's thread alone, by stage. */
  private readonly own = new Float64Array(STAGES.length);
  /** What all work of this thread has taken so far, waits left out: so work within work is known. */
  private done = { wallMs: 0, cpuMicros: 0 };

  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(2 * STAGES.length * 8)) {
    this.cells = new BigInt64Array(memory);
  }

  /** Work begins. */
  mark(): StageMark {
    return { wallMs: performance.now(), cpuMicros: threadCpuMicros(), within: this.done };
  }

  /**
   * Work that began at `mark` on this thread is done; answers with its wall milliseconds. Other work that was begun and done
   * meanwhile is its own stage's alone.
   */
  add(stage: Stage, mark: StageMark, waitedMs = 0): number {
    const { within } = mark;
    const allMs = performance.now() - mark.wallMs - waitedMs;
    const allMicros = threadCpuMicros() - mark.cpuMicros;
    const wallMs = allMs - (this.done.wallMs - within.wallMs);
    const cpuMicros = allMicros - (this.done.cpuMicros - within.cpuMicros);
    this.done = { wallMs: within.wallMs + allMs, cpuMicros: within.cpuMicros + allMicros };
    const cell = INDEX[stage];
    this.own[cell]! += wallMs;
    Atomics.add(this.cells, cell, BigInt(Math.round(wallMs * 1000)));
    Atomics.add(this.cells, CPU + cell, BigInt(cpuMicros));
    return wallMs;
  }

  addWait(stage: Stage, ms: number): void {
    this.own[INDEX[stage]]! += ms;
    Atomics.add(this.cells, INDEX[stage], BigInt(Math.round(ms * 1000)));
  }

  /** What this thread alone has added to the stage, in milliseconds. */
  ownMs(stage: Stage): number {
    return this.own[INDEX[stage]]!;
  }

  /** Seconds of each stage so far. */
  read(): StageSeconds {
    const from = (first: number) =>
      Object.fromEntries(
        STAGES.map((stage, index) => [stage, Number(Atomics.load(this.cells, first + index)) / 1e6]),
      ) as Record<Stage, number>;
    return { wall: from(0), cpu: from(CPU) };
  }
}

/** A third of a microsecond; where the runtime does not tell, CPU times stay 0. */
function threadCpuMicros(): number {
  if (typeof process.threadCpuUsage !== "function") return 0;
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
