/**
 * `make test`: every check, one after the other, each of which a person can run alone (the command is printed). Ends
 * with the line `N passed, N failed`; a check that could not run counts as failed under CI=true.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const scratch = mkdtempSync(join(tmpdir(), "contract-data-test-"));
const junit = join(scratch, "junit.xml");
const TEST_MS_MAX = 120_000; // one test at most, the real clients included

let passed = 0;
let failed = 0;
let skipped = 0;

function check(name: string, command: string[]): boolean {
  console.log(`\n== ${name}: ${command.join(" ")}`);
  const begun = performance.now();
  const { status } = spawnSync(command[0]!, command.slice(1), { cwd: root, stdio: "inherit" });
  console.log(`== ${name}: ${status === 0 ? "ok" : `FAILED (exit ${status})`}, ${seconds(begun)}`);
  return status === 0;
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

function count(ok: boolean): void {
  if (ok) passed += 1;
  else failed += 1;
}

/** Adds the counts of bun's JUnit report; false where there is none. */
function addReport(): boolean {
  let report: string;
  try {
    report = readFileSync(junit, "utf8");
  } catch {
    return false;
  }
  const totals = /<testsuites[^>]*>/.exec(report)?.[0] ?? "";
  const number = (attribute: string) => Number(new RegExp(` ${attribute}="(\\d+)"`).exec(totals)?.[1] ?? Number.NaN);
  const tests = number("tests");
  const failures = number("failures");
  const skips = number("skipped");
  if (!(tests > 0)) return false;
  passed += tests - failures - skips;
  failed += failures;
  skipped += skips;
  return failures === 0;
}

const begun = performance.now();
count(check("types", ["node_modules/.bin/tsc", "--noEmit"]));
count(check("lint and format", ["node_modules/.bin/biome", "ci", "."]));
const ran = check("tests", [
  process.execPath,
  "test",
  `--timeout=${TEST_MS_MAX}`,
  "--reporter=junit",
  `--reporter-outfile=${junit}`,
  ...process.argv.slice(2),
]);
const reported = addReport();
if (!ran && reported) failed += 1; // it failed outside any test
if (!ran && !reported && failed === 0) failed += 1;
rmSync(scratch, { recursive: true, force: true });

console.log(
  `\nall checks took ${seconds(begun)}${skipped > 0 ? `; ${skipped} tests were skipped, see their messages` : ""}`,
);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
