/** Without MAX_MEMORY_MB the memory limit of the container counts; and what does not fit is told at the start. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { containerMemoryLimit } from "../../src/config/container-memory.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createLogger } from "../../src/ops/log.ts";
import { fitMemory } from "../../src/server/fit-memory.ts";
import { memoryCgroup } from "../support/cgroup.ts";
import { PROGRAM, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";

const MIB = 1 << 20;

/** What `containerMemoryLimit` says of a file system that has these files only. */
function limitWith(files: Record<string, string>): number | undefined {
  const root = mkdtempSync(join(tmpdir(), "cgroup-"));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    return containerMemoryLimit(root)?.bytes;
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("the least limit of all groups around the process is found, by version 1 and 2", () => {
  const v1 = { "proc/self/cgroup": "5:cpu,cpuacct:/a/b\n4:memory:/a/b\n0::/\n" };
  const v2 = { "proc/self/cgroup": "0::/a/b\n" };
  const memory = "sys/fs/cgroup/memory";
  const none = "9223372036854771712\n";
  expect(limitWith({})).toBeUndefined();
  expect(limitWith({ ...v1, [`${memory}/a/b/memory.limit_in_bytes`]: none })).toBeUndefined();
  expect(
    limitWith({
      ...v1,
      [`${memory}/a/b/memory.limit_in_bytes`]: none,
      [`${memory}/a/memory.limit_in_bytes`]: "536870912\n",
      [`${memory}/memory.limit_in_bytes`]: "736870912\n",
    }),
  ).toBe(512 * MIB);
  expect(limitWith({ ...v1, [`${memory}/memory.limit_in_bytes`]: "536870912\n" })).toBe(512 * MIB); // seen from inside
  expect(limitWith({ ...v2, "sys/fs/cgroup/a/b/memory.max": "max\n" })).toBeUndefined();
  expect(
    limitWith({ ...v2, "sys/fs/cgroup/a/b/memory.max": "268435456\n", "sys/fs/cgroup/a/memory.max": "max\n" }),
  ).toBe(256 * MIB);
  expect(limitWith({ "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n" })).toBe(256 * MIB);
});

test("the limit stands in for a setting that is not given; fewer workers are started, and readers let in, where not all fit", () => {
  const lines: string[] = [];
  const log = createLogger({ level: "info", format: "json", output: { write: (line: string) => lines.push(line) } });
  const fit = (env: Record<string, string>, limitMib?: number) => {
    const limit = limitMib === undefined ? undefined : { bytes: limitMib * MIB, file: "memory.max" };
    const { memoryBytesMax, workerCount, httpStreamsMax } = fitMemory(loadConfig({ env }), limit, log);
    return [memoryBytesMax / MIB, workerCount, httpStreamsMax];
  };
  expect(fit({})).toEqual([1024, 4, 16]);
  expect(fit({}, 3000)).toEqual([3000, 4, 16]);
  expect(fit({ MAX_MEMORY_MB: "900" }, 3000)).toEqual([900, 4, 16]);
  expect(lines.join("")).not.toContain("over the memory limit");
  expect(fit({ MAX_MEMORY_MB: "900" }, 600)).toEqual([900, 4, 16]);
  expect(lines.at(-1)).toContain("over the memory limit");
  const [, few, readers] = fit({}, 360);
  expect(few).toBeLessThan(4);
  expect(lines.at(-2)).toContain('"workerCount":4');
  expect(lines.at(-2)).toContain(`"started":${few}`);
  expect(readers).toBeLessThan(16);
  expect(lines.at(-1)).toContain(`"httpStreamsMax":16,"letIn":${readers}`);
  expect(() => fit({}, 100)).toThrow(/this container's memory limit is 100 MiB, and .* needs \d+/);
});

test("a setting with no room for one worker is refused with both numbers", async () => {
  const { exitCode, stderr } = await runCommand(["serve", "--max-memory-mb=128", `--source-endpoint=${SAMPLE.folder}`]);
  expect(exitCode).not.toBe(0);
  expect(stderr).toMatch(/MAX_MEMORY_MB is 128 MiB, and a server with one worker needs \d+/);
}, 60_000);

test("a server in a cgroup says that its limit is the memory to keep to", async () => {
  using cgroup = memoryCgroup(640 * MIB);
  if (cgroup === undefined)
    return console.warn("no memory cgroup can be made here: that a server sees one is not tested");
  const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=1"], {
    command: [...cgroup.command, ...PROGRAM],
  });
  await processor.stop();
  expect(processor.output()).toContain('"maxMemoryMb":640');
}, 60_000);
