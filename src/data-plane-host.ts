/** Entry of the data-plane Worker, which is told what to do at once or by its first message (threads/data-plane-thread.ts). */
import { once } from "node:events";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { runDataPlane } from "./flight/data-plane.ts";
import type { DataPlaneData } from "./threads/data-plane-messages.ts";

const port = parentPort as MessagePort;
const data = workerData ?? (await once(port, "message"))[0];
await runDataPlane(data as DataPlaneData, port);
