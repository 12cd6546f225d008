/** A worker that opens SQLite sinks at the same instants as others: each new file once, behind a barrier of all workers. */
import { SqliteSink } from "../../src/sinks/sqlite/sqlite-sink.ts";

declare const self: Worker;

/** What such a worker is told. */
export interface OpenSinks {
  paths: readonly string[];
  workers: number;
  /** Int32: how many workers have come to the barrier, in all. */
  barrier: SharedArrayBuffer;
}

self.onmessage = async ({ data }: MessageEvent<OpenSinks>) => {
  const come = new Int32Array(data.barrier);
  const errors: string[] = [];
  for (const [index, path] of data.paths.entries()) {
    Atomics.add(come, 0, 1);
    while (Atomics.load(come, 0) < (index + 1) * data.workers); // to wake up takes longer than what is to meet
    const sink = new SqliteSink(path);
    await sink.open("reader").catch((thrown: Error) => errors.push(thrown.message));
    sink.close();
  }
  self.postMessage(errors);
};
