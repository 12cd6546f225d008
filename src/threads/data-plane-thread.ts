/**
 * The data-plane thread, which may be begun before it is known what it is to do: it loads its modules on one core while
 * the main thread loads its own on another, and reads its settings.
 */
import { Worker } from "node:worker_threads";
import { DATA_PLANE_ENTRY } from "../entries.ts";
import type { DataPlaneData } from "./data-plane-messages.ts";

let begun: Worker | undefined;

/** Begins it, for the server that this process is about to start. It does not keep the process from ending. */
export function beginDataPlane(): void {
  begun = new Worker(DATA_PLANE_ENTRY);
  begun.unref();
}

/**
 * The thread that has been begun, or else a new one, with what it is to do.
 * @param entry what it runs; absent: the data plane
 */
export function dataPlaneThread(workerData: DataPlaneData, entry?: string): Worker {
  const worker = begun;
  if (worker === undefined || entry !== undefined) return new Worker(entry ?? DATA_PLANE_ENTRY, { workerData });
  begun = undefined;
  worker.ref();
  worker.postMessage(workerData);
  return worker;
}
