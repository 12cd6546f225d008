/** The real data plane, in a thread that takes no turns for as long as a test asks it to. */
import { workerData } from "node:worker_threads";
import { STALL_CHANNEL } from "./stall.ts";

const { service } = workerData as { service: { name: string } };
const channel = new BroadcastChannel(STALL_CHANNEL + service.name);
channel.addEventListener("message", ({ data }) => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, data as number);
});
await import("../../src/data-plane-host.ts"); // runs until it is closed
