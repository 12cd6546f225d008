/** Entry of a decode worker: Piscina's own worker loop, and the task that it runs. See workers/host.ts. */
import "../node_modules/piscina/dist/worker.js";

export { decodeTask as default } from "./workers/decode-task.ts";
