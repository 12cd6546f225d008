/**
 * A memory cgroup with a limit, for a child process: what a container's limit does to it, without a container. Version 1
 * and version 2 are supported; where neither can be written, there is none.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";

const V1_ROOT = "/sys/fs/cgroup/memory";
const V2_ROOT = "/sys/fs/cgroup";
let count = 0;

interface MemoryCgroup {
  version: 1 | 2;
  /** To stand before a command: the process enters the group, then becomes that command. */
  command: string[];
  /** Whether the kernel has killed a process of the group for its memory. */
  killed(): boolean;
  [Symbol.dispose](): void;
}

/** A new group under `limitBytes`; undefined where this machine lets nobody make one. */
export function memoryCgroup(limitBytes: number): MemoryCgroup | undefined {
  return versioned(1, limitBytes) ?? versioned(2, limitBytes);
}

function versioned(version: 1 | 2, limitBytes: number): MemoryCgroup | undefined {
  const root = version === 1 ? V1_ROOT : V2_ROOT;
  const limitFile = version === 1 ? "memory.limit_in_bytes" : "memory.max";
  if (!existsSync(`${root}/${version === 1 ? limitFile : "cgroup.controllers"}`)) return undefined;
  const folder = `${root}/contract-data-test-${process.pid}-${count++}`;
  try {
    mkdirSync(folder);
  } catch {
    return undefined;
  }
  try {
    writeFileSync(`${folder}/${limitFile}`, String(limitBytes));
    // Without it the kernel swaps before it kills, where there is swap.
    const swap = version === 1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max";
    if (existsSync(`${folder}/${swap}`)) writeFileSync(`${folder}/${swap}`, version === 1 ? String(limitBytes) : "0");
  } catch {
    rmdirSync(folder);
    return undefined;
  }
  const eventsFile = version === 1 ? "memory.oom_control" : "memory.events";
  return {
    version,
    command: ["sh", "-c", `echo $$ > ${folder}/cgroup.procs && exec "$@"`, "sh"],
    killed: () => Number(/^oom_kill (\d+)/m.exec(readFileSync(`${folder}/${eventsFile}`, "utf8"))?.[1] ?? 0) > 0,
    [Symbol.dispose]: () => rmdirSync(folder),
  };
}
