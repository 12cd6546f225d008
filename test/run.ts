/**
 * `make test`: every step of steps.ts; `bun test/run.ts STEP…` runs some. First the steps' commands, then all their test
 * files in one go, so that no core waits for the last file of a step. Says what fails, and for each step how many tests
 * passed and how long they took. Ends with the line `N passed, N failed`; a suite that could not run counts as failed under
 * CI=true.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filesOfSteps, STEPS } from "./steps.ts";

const root = join(import.meta.dir, "..");
const scratch = mkdtempSync(join(tmpdir(), "contract-data-test-"));
const TEST_MS_MAX = 120_000; // one test at most, the real clients included
const FILES_AT_ONCE = 3; // one more than the cores of a small machine: most tests wait for processes and timers
/** Milliseconds of each file, roughly: the slowest are begun first. `bun test` with --timings and --update-timings writes it anew. */
const TIMINGS = "test/timings.json";

/** Counts of tests, and the seconds that they took; a command counts as one. */
interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  seconds: number;
}
const COUNTED = ["passed", "failed", "skipped", "seconds"] as const;

/** @returns whether the command went well */
function run(command: readonly string[], env: Record<string, string> = {}): boolean {
  const options = { cwd: root, stdio: "inherit", env: { ...process.env, ...env } } as const;
  return spawnSync(command[0]!, command.slice(1), options).status === 0;
}

/** @returns the counts of each file; a file that has not reported has failed */
function runFiles(files: readonly string[], env: Record<string, string>): Map<string, Counts> {
  const junit = join(scratch, "junit.xml");
  const flags = [`--timeout=${TEST_MS_MAX}`, `--parallel=${FILES_AT_ONCE}`, `--timings=${TIMINGS}`, "--only-failures"];
  const report = ["--reporter=junit", `--reporter-outfile=${junit}`];
  const went = run([process.execPath, "test", ...flags, ...report, ...files], env);
  const byFile = countsOf(junit);
  for (const file of files) {
    if (byFile.has(file)) continue;
    console.log(`${file} has no result`);
    byFile.set(file, { passed: 0, failed: 1, skipped: 0, seconds: 0 });
  }
  if (!went && byFile.values().every(({ failed }) => failed === 0)) byFile.get(files[0]!)!.failed = 1; // outside any test
  return byFile;
}

/** The counts of each file in bun's JUnit report: the outermost suites, two spaces in. */
function countsOf(junit: string): Map<string, Counts> {
  const byFile = new Map<string, Counts>();
  let report = "";
  try {
    report = readFileSync(junit, "utf8");
  } catch {} // no file has a result
  for (const [, attributes] of report.matchAll(/^ {2}<testsuite ([^>]*)>/gm)) {
    const attribute = (name: string) => new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes!)?.[1] ?? "";
    const [tests, failed, skipped] = [attribute("tests"), attribute("failures"), attribute("skipped")].map(Number);
    const passed = tests! - failed! - skipped!;
    byFile.set(attribute("file"), { passed, failed: failed!, skipped: skipped!, seconds: Number(attribute("time")) });
  }
  return byFile;
}

function secondsSince(begun: number): number {
  return (performance.now() - begun) / 1000;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !STEPS.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(`no step ${unknown.join(", ")}; there are ${STEPS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const begun = performance.now();
const steps = STEPS.filter(({ name }) => asked.length === 0 || asked.includes(name));
const testFiles = [...new Bun.Glob("test/**/*.test.ts").scanSync({ cwd: root })].sort();
const byStep = filesOfSteps(testFiles);
const files = steps.flatMap(({ name }) => byStep.get(name)!);
const counts = new Map<string, Counts>(
  steps.map(({ name }) => [name, { passed: 0, failed: 0, skipped: 0, seconds: 0 }]),
);

// Most tests of whole processes start a binary of these sources: test/support/processor.ts.
const program = join(scratch, "contract-data-processor");
const build =
  files.length > 0
    ? Bun.spawn([process.execPath, "scripts/build.ts", program], { cwd: root, stdout: "ignore" })
    : undefined;
for (const { name, what, command } of steps) {
  if (command === undefined) continue;
  console.log(`== ${name}: ${what}`);
  const commandBegun = performance.now();
  const ofStep = counts.get(name)!;
  ofStep[run(command) ? "passed" : "failed"] += 1;
  ofStep.seconds += secondsSince(commandBegun);
}
if (build !== undefined) {
  const isBuilt = (await build.exited) === 0; // what its compiler says is on stderr
  console.log(`== ${files.length} test files, ${FILES_AT_ONCE} at a time`);
  const byFile = runFiles(files, isBuilt ? { TEST_PROGRAM: program } : {});
  for (const { name } of steps) {
    for (const file of byStep.get(name)!) for (const key of COUNTED) counts.get(name)![key] += byFile.get(file)![key];
  }
  if (!isBuilt) counts.get(steps[0]!.name)!.failed += 1;
}
rmSync(scratch, { recursive: true, force: true });

const total: Counts = { passed: 0, failed: 0, skipped: 0, seconds: 0 };
console.log();
for (const [name, ofStep] of counts) {
  const failed = ofStep.failed > 0 ? `, ${ofStep.failed} FAILED: run \`make ${name}\` again` : "";
  console.log(`== ${name}: ${ofStep.passed} passed${failed}, ${ofStep.seconds.toFixed(0)} s of tests`);
  for (const key of COUNTED) total[key] += ofStep[key];
}
const skips = total.skipped > 0 ? `; ${total.skipped} tests were skipped, see their messages` : "";
console.log(`\nall took ${secondsSince(begun).toFixed(0)} s${skips}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 ? 0 : 1);
