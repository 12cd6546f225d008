/** Standard output that takes no more, because the disk is full or the reader has gone. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { RunningServer } from "../../src/control/server.ts";
import { HealthState } from "../../src/grpc/health-state.ts";
import { startMemoryServer } from "../control/memory-server.ts";
import { MemorySessions } from "../control/memory-sessions.ts";
import { PROGRAM, ROOT, runCommand, SAMPLE } from "../support/processor.ts";

const FULL = "/dev/full";
const NO_SPACE = /^contract-data-processor: cannot write to standard output: ENOSPC.*\n$/;

const sessions = new MemorySessions();
let server: RunningServer;

beforeAll(async () => {
  const health = new HealthState([]);
  server = await startMemoryServer(sessions, health);
});
afterAll(() => server.close());

/** The command line with what a shell puts behind it: `> /dev/full`. */
const shell = (line: string, behind: string) =>
  runCommand(["-c", `"$0" "$@" ${line} ${behind}`, ...PROGRAM], {
    command: ["bash"],
  });

test.skipIf(!existsSync(FULL))("a full disk: one line and exit code 1, whatever was to be printed", async () => {
  const { id } = await sessions.start({ ledgerStart: 5, ledgerEnd: 9, batchRows: 0 });
  const control = `--address 127.0.0.1:${server.port}`;
  for (const line of [
    ...["table", "tsv", "ndjson", "arrow"].map((format) => `decode ${SAMPLE.folder} --format ${format}`),
    "--help",
    "decode --help",
    "--version",
    `status ${id} ${control}`,
    `status ${id} --watch --interval 50ms ${control}`,
    `sessions --json ${control}`,
    `watch ${id} ${control}`,
  ]) {
    const { exitCode, stderr } = await shell(line, `> ${FULL}`);
    expect(stderr, line).toMatch(NO_SPACE);
    expect(exitCode, line).toBe(1);
  }
});

test("a reader that has gone is no failure", async () => {
  const { exitCode, stdout, stderr } = await shell(
    `decode ${SAMPLE.folder} --format ndjson`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: bash's
    "| head -c 1; exit ${PIPESTATUS[0]}",
  );
  expect([exitCode, stdout, stderr]).toEqual([0, "{", ""]);
});

test("a slow reader gets everything", async () => {
  const { exitCode, stdout } = await shell(`decode ${SAMPLE.folder} --format tsv`, "| (sleep 0.3; cat)");
  expect(exitCode).toBe(0);
  expect(stdout).toBe(await Bun.file(join(ROOT, "sample", "lake.tsv")).text());
});
