/** Finds the threads that a server starts, so that a test can end one of them, as the system would. */
import { mock } from "bun:test";
import { createRequire } from "node:module";
import * as imported from "node:worker_threads";
import { mapPiscinaWorker } from "../../src/workers/host.ts";

type WorkerClass = typeof imported.Worker;

interface RecordedThreads {
  /** Threads by the part of the server that they are, in the order of their start. */
  readonly dataPlane: imported.Worker[];
  readonly decoders: imported.Worker[];
  /** Records no more. */
  stop(): void;
  [Symbol.dispose](): void;
}

/** Records every Worker that this process starts from now on, until `stop`. */
export function recordThreads(): RecordedThreads {
  mapPiscinaWorker(); // which replaces the class as well, once
  const recording = (Base: WorkerClass, into: imported.Worker[]): WorkerClass =>
    class extends Base {
      constructor(...args: ConstructorParameters<WorkerClass>) {
        super(...args);
        into.push(this);
      }
    };
  const dataPlane: imported.Worker[] = [];
  const decoders: imported.Worker[] = [];
  // Our own modules import the class; Piscina requires it, which in Bun is another object.
  const original = { ...imported };
  const required = createRequire(import.meta.url)("node:worker_threads") as { Worker: WorkerClass };
  const requiredBefore = required.Worker;
  mock.module("node:worker_threads", () => ({ ...original, Worker: recording(original.Worker, dataPlane) }));
  required.Worker = recording(requiredBefore, decoders);
  const stop = () => {
    mock.module("node:worker_threads", () => original);
    required.Worker = requiredBefore;
  };
  return { dataPlane, decoders, stop, [Symbol.dispose]: stop };
}
