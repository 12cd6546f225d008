/**
 * CPU time of a server's threads by what they do (Linux). Stages tell what work costs; this tells which thread did it,
 * the runtime's own threads (collector, compiler, file reads) included.
 */
import { readdirSync, readFileSync } from "node:fs";

const DATA_PLANE = "data plane";
const DECODE_WORKERS = "decode workers";

/** CPU seconds so far of each kind of thread of process `pid`. A thread that has ended is not counted. */
export function threadCpuSeconds(pid: number): Record<string, number> {
  const seconds: Record<string, number> = {};
  let workers = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .sort((a, b) => a - b)) {
    let name: string;
    let nanos: number;
    try {
      name = readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8").trim();
      nanos = Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      continue; // it has ended
    }
    // The data plane's thread is started before the pool's.
    const role =
      thread === pid ? "main" : name === "Worker" ? (workers++ === 0 ? DATA_PLANE : DECODE_WORKERS) : roleOf(name);
    seconds[role] = (seconds[role] ?? 0) + nanos / 1e9;
  }
  return seconds;
}

function roleOf(name: string): string {
  if (name.startsWith("Bun Pool")) return "file reads";
  if (/JIT|WarmUp/.test(name)) return "compiler";
  if (/ollector|Heap|t Helper|scavenger/.test(name)) return "memory";
  return "others";
}
