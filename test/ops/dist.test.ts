/** What `make dist` gives: the same bytes from any folder, sums that hold, and a bill of what is inside. */
import { afterAll, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import type { Bill } from "../../scripts/release/bill-of-materials.ts";
import { ROOT } from "../support/processor.ts";

const copy = mkdtempSync(join(tmpdir(), "contract-data-dist-"));
afterAll(() => rmSync(copy, { recursive: true, force: true }));
const NAME = "contract-data-processor-0.1.0-linux-x64-baseline";
const shell = (command: string[], cwd: string) => Bun.spawnSync(command, { cwd, stdout: "pipe", stderr: "pipe" });

test.skipIf(process.platform !== "linux" || process.arch !== "x64")(
  "two builds in two folders have the same bytes; the sums hold, and the file does the main job",
  () => {
    const digests = new Set<string>();
    for (const folder of [join(copy, "first"), join(copy, "second")]) {
      for (const name of ["src", "scripts", "sample", "proto", "package.json", "package-lock.json", "tsconfig.json"]) {
        cpSync(join(ROOT, name), join(folder, name), { recursive: true });
      }
      symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
      const made = shell([process.execPath, "scripts/dist.ts", "linux-x64-baseline"], folder);
      expect(made.stderr.toString()).toBe("");
      const release = join(folder, "dist", "release");
      expect(shell(["sha256sum", "--check", "--strict", "SHA256SUMS"], release).exitCode).toBe(0);
      digests.add(readFileSync(join(release, "SHA256SUMS"), "utf8"));
    }
    expect([...digests]).toHaveLength(1);
    // Nothing in it names this machine's folders: code would be looked for there.
    expect(readFileSync(join(copy, "first", "dist", "release", NAME)).includes(join(ROOT, "node_modules"))).toBe(false);
    const demo = shell([join(copy, "first", "dist", "release", NAME), "demo"], tmpdir());
    expect(demo.stdout.toString()).toContain("7 ledgers, 311 rows");
  },
  120_000,
);

test("the bill has every package of the lock file that is not for development, each with a licence", () => {
  const release = join(copy, "first", "dist", "release");
  const bill = JSON.parse(readFileSync(join(release, "sbom.cdx.json"), "utf8")) as Bill;
  const direct = Object.entries(packageJson.dependencies).map(([name, version]) => `${name}@${version}`);
  const named = bill.components.map(({ name, version }) => `${name}@${version}`);
  expect(named).toEqual(expect.arrayContaining([...direct, `bun@${Bun.version}`, "pg-types@2.2.0"]));
  expect(named.filter((name) => /biome|typescript|stellar-sdk/.test(name))).toEqual([]);
  const texts = readFileSync(join(release, "LICENSES.txt"), "utf8");
  for (const { name, version } of bill.components) expect(texts).toContain(`${name} ${version}: `);
});
