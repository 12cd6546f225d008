/** From source too, nothing of the folder that a command is started in has an effect. (The binary: e2e/binary.test.ts.) */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AMBIENT_TEXT, makeAmbientFolder } from "../support/ambient.ts";
import { ROOT, SAMPLE, startProcessor } from "../support/processor.ts";

const folder = mkdtempSync(join(tmpdir(), "contract-data-ambient-"));
makeAmbientFolder(folder);
afterAll(() => rmSync(folder, { recursive: true }));

/** The folder that the README puts on the PATH. */
const SCRIPTS = join(ROOT, "scripts");

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

test("the executable that the README puts on the PATH", async () => {
  expect(readFileSync(join(ROOT, "README.md"), "utf8")).toContain('export PATH="$PWD/scripts:$PATH"\n');
  const call = `PATH="${SCRIPTS}:$PATH"; contract-data-processor --version`;
  const { stdout, stderr } = await shell(call, folder);
  expect([stdout, stderr]).toEqual(["contract-data-processor 0.1.0\n", ""]);
  const command = [join(SCRIPTS, "contract-data-processor")];
  const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`], { command, cwd: folder });
  expect(await processor.stop()).toBe(0); // WORKER_COUNT=banana would have stopped its start
  expect(processor.output()).not.toContain(AMBIENT_TEXT);
});

test("it is found through a link, from a folder whose name has a quote and a space", async () => {
  const odd = join(folder, "it's a folder");
  mkdirSync(odd);
  symlinkSync(ROOT, join(odd, "project"));
  symlinkSync(join(odd, "project", "scripts", "contract-data-processor"), join(odd, "linked"));
  expect((await shell("./linked --version", odd)).stdout).toBe("contract-data-processor 0.1.0\n");
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
