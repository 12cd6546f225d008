/** A result beside its targets and beside the baseline. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../test/support/processor.ts";
import { figureOf, isRatio, meetsTarget, targetText } from "../targets.ts";
import type { Result } from "./result.ts";

const BASELINE = join(ROOT, "bench", "baseline.json");

/** Command → figure → value: only ratios, since other figures are another machine's. */
export type Baseline = Record<string, Record<string, number>>;

interface Verdict {
  name: string;
  unit: string;
  value: number;
  /** Least and greatest sample. */
  range: [least: number, greatest: number];
  target: string;
  isMissed: boolean;
  baseline: number | undefined;
  /** Worse than the baseline by more than the figure's tolerance. */
  isRegression: boolean;
  tolerance: number;
}

export function readBaseline(path = BASELINE): Baseline {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Baseline;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

export function compare(result: Result, baseline: Baseline): Verdict[] {
  return Object.entries(result.figures).map(([name, { unit, value, samples }]) => {
    const figure = figureOf(result.bench, name);
    const before = baseline[result.command]?.[name];
    const worse = before === undefined ? 0 : figure.better === "more" ? before / value - 1 : value / before - 1;
    return {
      name,
      unit,
      value,
      range: [Math.min(...samples), Math.max(...samples)],
      target: targetText(figure),
      isMissed: !meetsTarget(figure, value),
      baseline: before,
      isRegression: worse > figure.tolerance,
      tolerance: figure.tolerance,
    };
  });
}

/** The baseline with the ratios of these results in place of its own; the last result of a command counts. */
export function accepted(baseline: Baseline, results: readonly Result[]): Baseline {
  const all = { ...baseline };
  for (const { bench, command, figures } of results) {
    const ratios = Object.entries(figures).filter(([name]) => isRatio(figureOf(bench, name)));
    if (ratios.length === 0) continue;
    all[command] = Object.fromEntries(ratios.map(([name, { value }]) => [name, Number(value.toPrecision(3))]));
  }
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function writeBaseline(baseline: Baseline, path = BASELINE): void {
  writeFileSync(path, `${JSON.stringify(baseline, undefined, 2)}\n`);
}

/** Three digits that say something. */
export function figureText(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
}

/** One line for people. */
export function verdictLine({
  name,
  unit,
  value,
  target,
  isMissed,
  baseline,
  isRegression,
  tolerance,
}: Verdict): string {
  const word = isRegression ? "WORSE" : isMissed ? "MISSED" : target === "" ? "" : "met";
  const notes = [
    target === "" ? "" : `target ${target}`,
    baseline === undefined ? "" : `baseline ${figureText(baseline)}, tolerance ${Math.round(tolerance * 100)} %`,
  ].filter((note) => note !== "");
  const note = notes.length === 0 ? "" : ` (${notes.join("; ")})`;
  return `${word.padEnd(7)} ${name}: ${figureText(value)} ${unit}${note}`;
}
