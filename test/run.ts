/**
 * `make test`: every step of steps.ts; `bun test/run.ts STEP…` runs some. First the steps' commands, then all their test
 * files in one go, so that no core waits for the last file of a step. A file that fails there is run once more, alone: a test
 * that needed a free machine then passes, and is named as one that does. Says what fails, and for each step how many tests
 * passed and how long they took. Ends with the line `N passed, N failed`; a suite that could not run counts as failed under
 * CI=true.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COUNTED, type Counts, noCounts, resultsOf } from "./junit.ts";
import { filesOfSteps, STEPS } from "./steps.ts";

const root = join(import.meta.dir, "..");
const scratch = mkdtempSync(join(tmpdir(), "contract-data-test-"));
const TEST_MS_MAX = 120_000; // one test at most, the real clients included
const FILES_AT_ONCE = 3; // one more than the cores of a small machine: most tests wait for processes and timers
/** Milliseconds of each file, roughly: the slowest are begun first. `bun test` with --timings and --update-timings writes it anew. */
const TIMINGS = "test/timings.json";

/** Files that are run again at most: where more fail, something is broken. */
const FILES_AGAIN_MAX = 5;

/** @returns whether the command went well */
function run(command: readonly string[], env: Record<string, string> = {}): boolean {
  const options = { cwd: root, stdio: "inherit", env: { ...process.env, ...env } } as const;
  return spawnSync(command[0]!, command.slice(1), options).status === 0;
}

/** @returns the counts of each file; a file that has not reported has failed */
function runFiles(files: readonly string[], filesAtOnce: number, env: Record<string, string>): Map<string, Counts> {
  const junit = join(scratch, "junit.xml");
  rmSync(junit, { force: true });
  const flags = [`--timeout=${TEST_MS_MAX}`, `--parallel=${filesAtOnce}`, `--timings=${TIMINGS}`, "--only-failures"];
  const report = ["--reporter=junit", `--reporter-outfile=${junit}`];
  const went = run([process.execPath, "test", ...flags, ...report, ...files], env);
  const byFile = resultsOf(junit);
  for (const file of files) {
    if (!byFile.has(file)) byFile.set(file, { ...noCounts(), failed: 1, failures: ["it has no result"] });
  }
  if (!went && byFile.values().every(({ failed }) => failed === 0)) {
    byFile.set(files[0]!, { ...noCounts(), failed: 1, failures: ["bun test failed outside any test"] });
  }
  return byFile;
}

/** Each line names a test that failed, or the file that did. */
function failureLines(byFile: ReadonlyMap<string, Counts>): string[] {
  return [...byFile].flatMap(([file, { failures }]) => failures.map((test) => `  ${file}: ${test}`));
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
const counts = new Map<string, Counts>(steps.map(({ name }) => [name, noCounts()]));

/** What the last lines name: tests that failed, and tests that passed in their second run. */
const notes: string[] = [];
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
  const went = run(command);
  ofStep[went ? "passed" : "failed"] += 1;
  if (!went) notes.push(`FAILED: ${command.join(" ")}`);
  ofStep.seconds += secondsSince(commandBegun);
}
if (build !== undefined) {
  const isBuilt = (await build.exited) === 0; // what its compiler says is on stderr
  console.log(`== ${files.length} test files, ${FILES_AT_ONCE} at a time`);
  const env: Record<string, string> = isBuilt ? { TEST_PROGRAM: program } : {};
  const byFile = runFiles(files, FILES_AT_ONCE, env);
  const failing = [...byFile].filter(([, { failed }]) => failed > 0);
  if (failing.length > 0 && failing.length <= FILES_AGAIN_MAX) {
    const again = failing.map(([file]) => file);
    console.log(`\n== failed beside others, and run again alone:\n${failureLines(new Map(failing)).join("\n")}`);
    for (const [file, counts] of runFiles(again, 1, env)) byFile.set(file, counts);
    const passed = failing.filter(([file]) => byFile.get(file)!.failed === 0);
    notes.push(...failureLines(new Map(passed)).map((line) => `needs a free machine, and should not: ${line.trim()}`));
  }
  notes.push(...failureLines(byFile).map((line) => `FAILED: ${line.trim()}`));
  for (const { name } of steps) {
    for (const file of byStep.get(name)!) for (const key of COUNTED) counts.get(name)![key] += byFile.get(file)![key];
  }
  if (!isBuilt) {
    counts.get(steps[0]!.name)!.failed += 1;
    notes.push("FAILED: scripts/build.ts");
  }
}
rmSync(scratch, { recursive: true, force: true });

const total = noCounts();
console.log();
for (const [name, ofStep] of counts) {
  const failed = ofStep.failed > 0 ? `, ${ofStep.failed} FAILED: run \`make ${name}\` again` : "";
  console.log(`== ${name}: ${ofStep.passed} passed${failed}, ${ofStep.seconds.toFixed(0)} s of tests`);
  for (const key of COUNTED) total[key] += ofStep[key];
}
const skips = total.skipped > 0 ? `; ${total.skipped} tests were skipped, see their messages` : "";
if (notes.length > 0) console.log(`\n${notes.join("\n")}`);
console.log(`\nall took ${secondsSince(begun).toFixed(0)} s${skips}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 ? 0 : 1);
