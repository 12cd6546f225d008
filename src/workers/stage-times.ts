/**
 * Where the time of the pipeline goes: seconds per stage in shared memory, added up by every thread, read at any
 * moment. These are wall times of work that runs without a break on one thread, so they are CPU times too as far as
 * the machine has a core for each thread; what is waited for is counted by itself.
 */
export const STAGES = [
  /** Workers: zstd. */
  "inflate",
  /** Workers: the walk over a ledger's XDR, rules, filters, key hashes. */
  "decode",
  /** Workers: rows measured, formatted and laid down as Arrow. */
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
export type Stage = (typeof STAGES)[number];

const INDEX = Object.fromEntries(STAGES.map((name, index) => [name, index])) as Record<Stage, number>;

export class StageTimes {
  private readonly cells: BigInt64Array;

  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(STAGES.length * 8)) {
    this.cells = new BigInt64Array(memory);
  }

  add(stage: Stage, ms: number): void {
    Atomics.add(this.cells, INDEX[stage], BigInt(Math.round(ms * 1000)));
  }

  /** Seconds of each stage so far. */
  read(): Record<Stage, number> {
    const entries = STAGES.map((stage, index) => [stage, Number(Atomics.load(this.cells, index)) / 1e6]);
    return Object.fromEntries(entries) as Record<Stage, number>;
  }
}
