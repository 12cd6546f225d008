/** The memory limit of the container, or other cgroup, that this process runs in. */
import { readFileSync } from "node:fs";
import { join, posix } from "node:path";

const UNLIMITED_MIN = 2 ** 60; // version 1 says "none" by the largest multiple of a page that fits 63 bits

/** The limit of a cgroup in bytes: `memory.max` (version 2) or `memory.limit_in_bytes` (version 1). */
export interface MemoryLimit {
  bytes: number;
  /** The file that says so. */
  file: string;
}

/**
 * The least limit of the process's memory cgroup and of all groups around it, by version 1 or 2; undefined without one.
 * Inside a container the own group is often the root that can be seen, whatever /proc/self/cgroup calls it.
 * @param root of the file system; tests have their own
 */
export function containerMemoryLimit(root = "/"): MemoryLimit | undefined {
  let least: MemoryLimit | undefined;
  for (const line of textOf(join(root, "proc/self/cgroup")).split("\n")) {
    const [, controllers, group] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || group === undefined) continue;
    const isV1 = controllers.split(",").includes("memory");
    if (!isV1 && controllers !== "") continue;
    const [mount, name] = isV1 ? ["sys/fs/cgroup/memory", "memory.limit_in_bytes"] : ["sys/fs/cgroup", "memory.max"];
    for (let at = posix.normalize(`/${group}`); ; at = posix.dirname(at)) {
      const file = join(root, mount, at, name);
      const bytes = Number.parseInt(textOf(file), 10); // "max" is none
      if (bytes > 0 && bytes < UNLIMITED_MIN && bytes < (least?.bytes ?? UNLIMITED_MIN)) least = { bytes, file };
      if (at === "/") break;
    }
  }
  return least;
}

/** Empty where there is no such file, or it may not be read. */
function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
