/** Signals end every command, also as process number 1 of a container, where the kernel ignores them without a handler. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ROOT, SAMPLE, startProcessor } from "../support/processor.ts";

const MAIN = join(ROOT, "src/main.ts");
const CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const SIGNALS = Object.keys(CODES) as Array<keyof typeof CODES>;

/** Whether this machine lets the test make a namespace of process ids. */
const canBeNumberOne = Bun.spawnSync(["unshare", "--pid", "--fork", "--mount-proc", "true"]).exitCode === 0;

/** `decode -` of an input that never comes, as a child of `around`; resolves once it reads. */
async function waitingDecode(around: string[]): Promise<ReturnType<typeof Bun.spawn>> {
  const child = Bun.spawn([...around, process.execPath, MAIN, "decode", "-"], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  await Bun.sleep(0);
  return child;
}

/** The process that runs our main below `pid`, once its handlers are there. */
async function mainBelow(pid: number): Promise<number> {
  for (;;) {
    const listed = Bun.spawnSync(["ps", "-eo", "pid=,ppid=,args="]).stdout.toString().split("\n");
    const found = listed
      .map((line) => /^ *(\d+) +(\d+) (.*)$/.exec(line))
      .find((row) => {
        return (
          row !== null && (Number(row[1]) === pid || Number(row[2]) === pid) && row[3]!.startsWith(process.execPath)
        );
      });
    if (found !== undefined && found !== null && handles(Number(found[1]))) return Number(found[1]);
    await Bun.sleep(20);
  }
}

/** Whether the process catches SIGTERM (bit 15 of SigCgt). */
function handles(pid: number): boolean {
  const status = Bun.spawnSync(["cat", `/proc/${pid}/status`]).stdout.toString();
  const caught = BigInt(`0x${/^SigCgt:\s*(\w+)/m.exec(status)?.[1] ?? "0"}`);
  return ((caught >> 14n) & 1n) === 1n && ((caught >> 1n) & 1n) === 1n;
}

describe("a command without a handler of its own", () => {
  test.each(SIGNALS)("%s ends decode with 128 and the signal's number", async (signal) => {
    const child = await waitingDecode([]);
    process.kill(await mainBelow(child.pid), signal);
    expect(await child.exited).toBe(CODES[signal]);
  });

  test.each(SIGNALS)("%s as process number 1", async (signal) => {
    if (!canBeNumberOne) return console.warn("skipped: this machine lets nobody make a namespace of process ids");
    const child = await waitingDecode(["unshare", "--pid", "--fork", "--mount-proc"]);
    process.kill(await mainBelow(child.pid), signal);
    expect(await child.exited).toBe(CODES[signal]);
  });
});

test("SIGHUP drains a server, as SIGTERM does", async () => {
  const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`]);
  processor.kill("SIGHUP");
  expect(await processor.exited).toBe(0);
  expect(processor.output()).toContain("shutting down");
});
