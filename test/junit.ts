/** What `bun test` reports in JUnit's format: counts of each file, and the names of the tests that failed. */
import { readFileSync } from "node:fs";

/** Counts of tests, the seconds that they took, and the names of the failed ones; a command counts as one test. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  seconds: number;
  failures: string[];
}
export const COUNTED = ["passed", "failed", "skipped", "seconds"] as const;

export function noCounts(): Counts {
  return { passed: 0, failed: 0, skipped: 0, seconds: 0, failures: [] };
}

/** The results of each file in the report at `path`: its outermost suites, two spaces in. None where there is no report. */
export function resultsOf(path: string): Map<string, Counts> {
  let report = "";
  try {
    report = readFileSync(path, "utf8");
  } catch {} // no file has a result
  const byFile = new Map<string, Counts>();
  for (const [, attributes] of report.matchAll(/^ {2}<testsuite ([^>]*)>/gm)) {
    const [tests, failed, skipped] = ["tests", "failures", "skipped"].map((name) =>
      Number(attributeOf(attributes!, name)),
    );
    const counts = { passed: tests! - failed! - skipped!, failed: failed!, skipped: skipped! };
    byFile.set(attributeOf(attributes!, "file"), {
      ...counts,
      seconds: Number(attributeOf(attributes!, "time")),
      failures: [],
    });
  }
  for (const [, attributes] of report.matchAll(/<testcase ([^>]*[^/])>\s*<failure/g)) {
    byFile.get(attributeOf(attributes!, "file"))?.failures.push(attributeOf(attributes!, "name"));
  }
  return byFile;
}

function attributeOf(attributes: string, name: string): string {
  const value = new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
  return value
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}
