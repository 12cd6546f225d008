/**
 * Puts the calling thread behind the others of the machine when all cores are busy. Decoding takes whatever is left and
 * loses nothing by it; the threads that answer calls need a core for a moment, and at once: with equal priorities they
 * wait for whole time slices of the decoders.
 */
import { readlinkSync } from "node:fs";
import { constants, getPriority, setPriority } from "node:os";

const DECODERS_NICER = 5; // than the process: a third of a usual thread's weight: calls wait less, and decoding beside other programs goes on

/** On Linux, where threads have priorities of their own; elsewhere, or where it is not permitted, nothing happens. */
export function yieldToOthers(): void {
  if (process.platform !== "linux") return;
  try {
    const thread = Number(/\/task\/(\d+)$/.exec(readlinkSync("/proc/thread-self"))?.[1]);
    const niceness = Math.min(getPriority(process.pid) + DECODERS_NICER, constants.priority.PRIORITY_LOW);
    if (thread > 0 && thread !== process.pid) setPriority(thread, niceness);
  } catch {
    // No /proc, or a sandbox without the call: it works as well without, only later under load.
  }
}
