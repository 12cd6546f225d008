/** From source too, nothing of the folder that a command is started in has an effect. (The binary: e2e/binary.test.ts.) */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AMBIENT_TEXT, makeAmbientFolder } from "../support/ambient.ts";
import { ROOT, SAMPLE, startProcessor } from "../support/processor.ts";

const folder = mkdtempSync(join(tmpdir(), "contract-data-ambient-"));
makeAmbientFolder(folder);
afterAll(() => rmSync(folder, { recursive: true }));

/** The alias that the README prints. */
function aliased(): string {
  const line = /^alias contract-data-processor="(.*)"$/m.exec(readFileSync(join(ROOT, "README.md"), "utf8"));
  return line![1]!.replaceAll("$PWD", ROOT);
}

async function shell(script: string, cwd: string): Promise<{ stdout: string; stderr: string }> {
  const child = Bun.spawn(["sh", "-ec", script], {
    cwd,
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env.PATH },
  });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect(await child.exited, stderr).toBe(0);
  return { stdout, stderr };
}

test("a canary: plain bun runs the folder's code", async () => {
  const { stderr } = await shell(`'${process.execPath}' '${join(ROOT, "src/main.ts")}' --version`, folder);
  expect(stderr).toContain(AMBIENT_TEXT);
});

test("the README's alias", async () => {
  const { stdout, stderr } = await shell(`${aliased()} --version`, folder);
  expect([stdout, stderr]).toEqual(["contract-data-processor 0.1.0\n", ""]);
  const command = ["sh", "-c", `exec ${aliased()} "$@"`, "sh"];
  const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`], { command, cwd: folder });
  expect(await processor.stop()).toBe(0); // WORKER_COUNT=banana would have stopped its start
  expect(processor.output()).not.toContain(AMBIENT_TEXT);
});

test("every make target that runs Bun gives it the flags", () => {
  const makefile = readFileSync(join(ROOT, "Makefile"), "utf8");
  const runs = [...makefile.matchAll(/\$\(BUN\) (?!--version)(?!\$\(BUN_FLAGS\))\S+/g)].map(([text]) => text);
  expect(runs).toEqual([]);
  expect(makefile).toContain("BUN_FLAGS := --config=bunfig.toml --no-env-file\n");
});

test("make, started from another folder", async () => {
  const { stdout, stderr } = await shell(`make --no-print-directory -C '${ROOT}' run`, folder);
  expect(stdout).toContain("7 ledgers, 311 rows");
  expect(stderr).not.toContain(AMBIENT_TEXT);
});
