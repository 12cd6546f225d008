/** Entry of the data-plane Worker. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { runDataPlane } from "./flight/data-plane.ts";
import type { DataPlaneData } from "./threads/data-plane-messages.ts";

await runDataPlane(workerData as DataPlaneData, parentPort as MessagePort);
