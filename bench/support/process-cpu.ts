/** CPU time of processes from outside (Linux). */
import { readFileSync } from "node:fs";

const TICKS_A_SECOND = 100; // USER_HZ

/** CPU seconds of a process so far, user and system. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}
