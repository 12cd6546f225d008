/** A decode worker's thread, for decode-task.test.ts, which counts how often it collects its garbage. */
import { workerData } from "node:worker_threads";
import { decodeTask } from "../../src/workers/decode-task.ts";
import type { DecodeTaskData } from "../../src/workers/task-data.ts";

const { task, collections } = workerData as { task: DecodeTaskData; collections: Int32Array };
const { gc } = Bun;
Bun.gc = (force) => {
  Atomics.add(collections, 0, 1);
  gc(force);
};
decodeTask(task);
