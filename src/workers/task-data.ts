/** What a decode task is started with. Plain data: it crosses threads. */
export interface DecodeTaskData {
  index: number;
  input: SharedArrayBuffer;
  /** The worker sleeps on this when its input ring is empty. */
  inputBell: Int32Array;
  output: SharedArrayBuffer;
  /** Rung for every message to the data plane. */
  outputBell: Int32Array;
  /** Memory of LedgerDurations. */
  durations: SharedArrayBuffer;
  /** Memory of StageTimes. */
  times: SharedArrayBuffer;
  /** Memory of MemoryPressure. */
  pressure: SharedArrayBuffer;
  retainedBytesMax: number;
  freeBytesMax: number;
  /** The task sets STARTED when it begins. */
  state: Int32Array;
}

/** Index in a task's `state`. */
export const STARTED = 0;
