/** Entry of our Piscina workers: Piscina's own worker loop, and the tasks that they run. See workers/host.ts. */
import "../node_modules/piscina/dist/worker.js";
import type { FormatJob } from "./rows/format-task.ts";

export { decodeTask as default } from "./workers/decode-task.ts";

/** Text of rows for HTTP. It is loaded by the thread that runs it: decode workers need no apache-arrow. */
export async function formatTask(job: FormatJob): Promise<Uint8Array> {
  return (await import("./rows/format-task.ts")).formatTask(job);
}
