/**
 * The entries of the threads, as paths that a Worker can be started from. This file lies beside them because in the
 * binary all modules have the same base, the folder of the entries.
 */
import { fileURLToPath } from "node:url";

/** Decode workers: Piscina's worker and the task that it runs. */
export const DECODE_ENTRY: string = fileURLToPath(new URL("./worker-host.ts", import.meta.url));
/** The data-plane Worker. */
export const DATA_PLANE_ENTRY: string = fileURLToPath(new URL("./data-plane-host.ts", import.meta.url));
