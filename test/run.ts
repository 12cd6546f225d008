/**
 * `make test`: every step of steps.ts, one after the other; `bun test/run.ts STEP…` runs some. Says what fails and how long
 * each step took. Ends with the line `N passed, N failed`; a suite that could not run counts as failed under CI=true.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filesOfSteps, STEPS } from "./steps.ts";

const root = join(import.meta.dir, "..");
const scratch = mkdtempSync(join(tmpdir(), "contract-data-test-"));
const TEST_MS_MAX = 120_000; // one test at most, the real clients included
const FILES_AT_ONCE = 2; // most tests wait for processes and timers, not for a core

/** Counts of tests; a command counts as one. */
interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}
const total: Counts = { passed: 0, failed: 0, skipped: 0 };

/** @returns whether the command went well */
function run(command: readonly string[]): boolean {
  return spawnSync(command[0]!, command.slice(1), { cwd: root, stdio: "inherit" }).status === 0;
}

function runFiles(step: string, files: readonly string[]): Counts {
  const junit = join(scratch, `${step}.xml`);
  const flags = [`--timeout=${TEST_MS_MAX}`, `--parallel=${FILES_AT_ONCE}`, "--only-failures"];
  const went = run([process.execPath, "test", ...flags, "--reporter=junit", `--reporter-outfile=${junit}`, ...files]);
  const counts = countsOf(junit) ?? { passed: 0, failed: 1, skipped: 0 };
  if (!went && counts.failed === 0) counts.failed = 1; // it failed outside any test
  return counts;
}

/** The counts of bun's JUnit report; undefined where there is none. */
function countsOf(junit: string): Counts | undefined {
  let report: string;
  try {
    report = readFileSync(junit, "utf8");
  } catch {
    return undefined;
  }
  const totals = /<testsuites[^>]*>/.exec(report)?.[0] ?? "";
  const number = (attribute: string) => Number(new RegExp(` ${attribute}="(\\d+)"`).exec(totals)?.[1] ?? Number.NaN);
  const [tests, failed, skipped] = [number("tests"), number("failures"), number("skipped")];
  return tests > 0 ? { passed: tests - failed - skipped, failed, skipped } : undefined;
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(0)} s`;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !STEPS.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(`no step ${unknown.join(", ")}; there are ${STEPS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const begun = performance.now();
const testFiles = [...new Bun.Glob("test/**/*.test.ts").scanSync({ cwd: root })].sort();
const byStep = filesOfSteps(testFiles);
for (const { name, what, command } of STEPS) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  console.log(`== ${name}: ${what}`);
  const stepBegun = performance.now();
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  if (command !== undefined) counts[run(command) ? "passed" : "failed"] += 1;
  const files = byStep.get(name)!;
  if (files.length > 0) {
    const ofFiles = runFiles(name, files);
    for (const key of ["passed", "failed", "skipped"] as const) counts[key] += ofFiles[key];
  }
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += counts[key];
  const failed = counts.failed > 0 ? `, ${counts.failed} FAILED: run \`make ${name}\` again` : "";
  console.log(`== ${name}: ${counts.passed} passed${failed}, ${seconds(stepBegun)}`);
}
rmSync(scratch, { recursive: true, force: true });

const skips = total.skipped > 0 ? `; ${total.skipped} tests were skipped, see their messages` : "";
console.log(`\nall took ${seconds(begun)}${skips}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 ? 0 : 1);
