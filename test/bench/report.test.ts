import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accepted, compare, figureText, readBaseline, verdictLine } from "../../bench/support/comparison.ts";
import { historyChart } from "../../bench/support/history-chart.ts";
import { benchmarksChart, benchmarksPage, readmeWithFigures } from "../../bench/support/page.ts";
import { Report } from "../../bench/support/report.ts";
import { median, type Result, readResults } from "../../bench/support/result.ts";
import { FIGURES, figureOf } from "../../bench/targets.ts";
import { ROOT } from "../support/processor.ts";

const scratch = mkdtempSync(join(tmpdir(), "bench-report-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const COMMAND = "pipeline.ts --rounds 3";
const CPU = "lake, ledgers a CPU second"; // more is better, in times Go's
const TARGET = FIGURES.pipeline[CPU].target!;

/** A result of bench/pipeline.ts with one figure. */
function found(value: number, at = "2026-11-28T10:00:00.000Z", command = COMMAND): Result {
  const machine = { cores: 2, processor: "A <processor>", memoryGb: 8, load: 0.5 };
  const figures = { [CPU]: { unit: FIGURES.pipeline[CPU].unit, value, samples: [value - 1, value, value + 1] } };
  return { bench: "pipeline", command, at, commit: "0123456789", machine, versions: { bun: "1.4.5" }, figures };
}

function judge(value: number, baseline?: number) {
  return compare(found(value), baseline === undefined ? {} : { [COMMAND]: { [CPU]: baseline } })[0]!;
}

test("a median of an even number of samples lies between two", () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([7])]).toEqual([2, 2.5, 7]);
});

test("a ratio is a regression where it is worse than the baseline by more than its tolerance", () => {
  const { tolerance } = figureOf("pipeline", CPU);
  expect(judge(10, 10 * (1 + tolerance) - 0.01).isRegression).toBe(false);
  expect(judge(10, 10 * (1 + tolerance) + 0.01).isRegression).toBe(true);
  expect(judge(10, 5).isRegression).toBe(false); // better
  expect(judge(10).isRegression).toBe(false); // never measured before
});

test("where less is better, more is the regression", () => {
  const name = "GetStatus, idle, p50";
  const result = { ...found(1), bench: "control", figures: { [name]: { unit: "×", value: 2, samples: [2] } } };
  expect(compare(result, { [COMMAND]: { [name]: 1.2 } })[0]!.isRegression).toBe(true);
  expect(compare(result, { [COMMAND]: { [name]: 2.5 } })[0]!.isRegression).toBe(false);
});

test("a run of another command is not compared", () => {
  expect(compare(found(1), { "pipeline.ts": { [CPU]: 100 } })[0]!.isRegression).toBe(false);
});

test("a target is missed or met", () => {
  expect([judge(TARGET).isMissed, judge(TARGET - 0.1).isMissed]).toEqual([false, true]);
  expect(verdictLine(judge(TARGET - 1, 100))).toStartWith("WORSE");
  expect(verdictLine(judge(TARGET - 1))).toBe(`MISSED  ${CPU}: ${TARGET - 1} × Go's (target ≥ ${TARGET})`);
});

test("an accepted baseline holds the ratios of the last results, and of other commands what it held", () => {
  const baseline = accepted({ "chain.ts": { a: 1 }, [COMMAND]: { [CPU]: 1 } }, [found(9), found(10.12345)]);
  expect(baseline).toEqual({ "chain.ts": { a: 1 }, [COMMAND]: { [CPU]: 10.1 } });
  const growth = { unit: "bytes", value: 5, samples: [5] };
  const absolute = { ...found(1), bench: "decode-heap", command: "x", figures: { "growth of the heap": growth } };
  expect(accepted({}, [absolute])).toEqual({});
});

test("a report writes every sample, and ends with 1 where a ratio has got worse", () => {
  const places = { results: join(scratch, "results"), baseline: join(scratch, "baseline.json") };
  const run = (samples: number[]) => {
    const report = new Report("pipeline", COMMAND, places);
    report.figure(CPU, samples);
    report.figure("gRPC, ledgers a second", []); // nothing was measured
    report.keep("seconds", [0.5, 0.25]);
    return report.finish();
  };
  expect(readBaseline(places.baseline)).toEqual({});
  expect(run([TARGET, TARGET + 2, TARGET + 1])).toBe(0);
  const [result] = readResults(places.results);
  expect(result!.figures).toEqual({
    [CPU]: { unit: "× Go's", value: TARGET + 1, samples: [TARGET, TARGET + 2, TARGET + 1] },
  });
  expect(result).toMatchObject({ bench: "pipeline", command: COMMAND, raw: { seconds: [0.5, 0.25] } });
  expect(result!.commit).toMatch(/^[0-9a-f]{10}\+?$/);
  expect(result!.versions.bun).toBe(process.versions.bun!);
  expect(result!.machine.cores).toBeGreaterThan(0);
  writeFileSync(places.baseline, JSON.stringify({ [COMMAND]: { [CPU]: TARGET * 2 } }));
  expect(run([TARGET])).toBe(1);
});

test("a figure that bench/targets.ts does not have is refused", () => {
  expect(() => figureOf("pipeline", "rows")).toThrow('bench/targets.ts has no "rows" of pipeline');
});

test("the chart has one dot a run, the target, and no text that breaks it", () => {
  const points = [1, 4, 2].map((value, n) => ({ at: `2026-11-0${n + 1}T00:00:00Z`, value, isFull: n > 0 }));
  const svg = historyChart([
    { title: "a < b & c", unit: "×", target: 3, points },
    { title: "never run", unit: "×", points: [] },
  ]);
  expect(svg.match(/<circle/g)).toHaveLength(3);
  expect(svg.match(/class="quick"/g)).toHaveLength(1);
  expect(svg.match(/class="target"/g)).toHaveLength(1);
  expect(svg).toContain("a &lt; b &amp; c");
  expect(svg).not.toMatch(/never run|NaN|Infinity/);
  // More stands higher.
  const heights = [...svg.matchAll(/cy="([\d.]+)"/g)].map((match) => Number(match[1]));
  expect(heights[1]!).toBeLessThan(heights[2]!);
  expect(heights[2]!).toBeLessThan(heights[0]!);
});

test("a chart of zeros, and one of nothing, can be drawn", () => {
  const zero = { title: "zero", unit: "×", points: [{ at: "2026-11-01T00:00:00Z", value: 0, isFull: true }] };
  expect(historyChart([zero])).not.toMatch(/NaN|Infinity/);
  expect(historyChart([])).toContain("</svg>");
});

test("the page shows the suite's last result of a bench with its command, and the chart all results", () => {
  const full = "pipeline.ts";
  const results = [
    found(10, "2026-11-01T00:00:00.000Z", full),
    found(11, "2026-11-02T00:00:00.000Z", full),
    found(5, "2026-11-03T00:00:00.000Z"),
  ];
  const page = benchmarksPage(results, { [full]: { [CPU]: 22 } }, new Set([full]));
  expect(page).toContain("    bun bench/pipeline.ts\n");
  expect(page).toContain(`| ${CPU} | 11 × Go's | 10 to 12 | ≥ ${TARGET} | 22 | worse |`);
  expect(page).not.toContain("5 × Go's");
  expect(benchmarksChart(results, new Set([full])).match(/<circle/g)).toHaveLength(3);
});

test("README's table has the last values of its figures, each with its command", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const row = "| the same, ledgers a CPU second | 11 × Go's | `bun bench/pipeline.ts --rounds 3` |";
  const written = readmeWithFigures(readme, [found(10), found(11)], new Set());
  expect(written).toContain(row);
  expect(written.split("## ").length).toBe(readme.split("## ").length);
  // What stands there is of a result that is kept.
  for (const [, value, command] of readme.matchAll(/^\| .+ \| ([\d.]+) .+ \| `bun bench\/(.+)` \|$/gm)) {
    const values = readResults()
      .filter((result) => result.command === command)
      .flatMap(({ figures }) => Object.values(figures));
    expect(values.map((figure) => figureText(figure.value))).toContain(value!);
  }
});
