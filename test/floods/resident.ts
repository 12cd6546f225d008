/** Memory of another process, on Linux. */
import { readFileSync } from "node:fs";

/** Resident now, in MiB. */
export function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
}
