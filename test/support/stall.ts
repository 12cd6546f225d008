/** Blocks the data-plane thread of a server that was started with `STALLING_ENTRY` (stalling-data-plane.ts). */
import { fileURLToPath } from "node:url";

export const STALLING_ENTRY: string = fileURLToPath(new URL("./stalling-data-plane.ts", import.meta.url));
export const STALL_CHANNEL = "contract-data-stall:";

/** @param serviceName of the server: its SERVICE_NAME */
export function stallDataPlane(serviceName: string, ms: number): void {
  const channel = new BroadcastChannel(STALL_CHANNEL + serviceName);
  channel.postMessage(ms);
  setTimeout(() => channel.close(), 1000);
}
