/** The first command on a machine with neither Node nor Bun; fresh-clone.ts has the others. */
import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../support/processor.ts";
import { makeRun, toolsWithoutRuntimes } from "./fresh-clone.ts";

test("with neither npm nor Bun, make run says what to install", () => {
  const scratch = mkdtempSync(join(tmpdir(), "contract-data-bare-"));
  try {
    const clone = join(scratch, "clone");
    for (const name of ["Makefile", "package.json", "package-lock.json"]) cpSync(join(ROOT, name), join(clone, name));
    const { output, status } = makeRun(clone, toolsWithoutRuntimes(join(scratch, "tools")));
    expect(status).not.toBe(0);
    expect(output).toContain("install Node 22 (https://nodejs.org) or Bun (https://bun.sh), then run this again\n");
    expect(output).not.toContain("node: not found");
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});
