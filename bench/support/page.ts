/** docs/benchmarks.md, docs/benchmarks.svg and README's table: what the results of bench/results say. */
import { FIGURES, type Figure, isRatio } from "../targets.ts";
import { type Baseline, compare, figureText } from "./comparison.ts";
import { historyChart, type Series } from "./history-chart.ts";
import type { Result } from "./result.ts";

const HEAD = `# Benchmarks

<!-- Written by \`make bench\` from bench/results: do not edit. -->

\`make bench\` runs every bench, some forty minutes, and writes this page; \`make bench-quick\` takes under three minutes. One
bench: the command above its table. [bench/README.md](../bench/README.md) says what each one does and how to read it.
A unit that begins with × is a ratio of two measurements of one run, which a busy machine changes least. A ratio that is
worse than bench/baseline.json by more than its tolerance (bench/targets.ts) is a regression, and the command ends with 1.
Values are medians of the run's rounds, with the least and the greatest round behind them.

![The history of every ratio](benchmarks.svg)

A full dot is a run of \`make bench\`, a hollow one a shorter run; the dashed line is the target.
`;

function table(result: Result, baseline: Baseline): string {
  const { machine, versions } = result;
  const tools = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const rows = compare(result, baseline).map((verdict) => {
    const [least, greatest] = verdict.range;
    const range = least === greatest ? "" : `${figureText(least)} to ${figureText(greatest)}`;
    const word = verdict.isRegression ? "worse" : verdict.isMissed ? "missed" : verdict.target === "" ? "" : "met";
    const before = verdict.baseline === undefined ? "" : figureText(verdict.baseline);
    return `| ${verdict.name} | ${figureText(verdict.value)} ${verdict.unit} | ${range} | ${verdict.target} | ${before} | ${word} |`;
  });
  return `## ${result.bench}

    bun bench/${result.command}

${result.at.slice(0, 16).replace("T", " ")} UTC, commit ${result.commit}, ${tools.join(", ")}; ${machine.cores} cores of ${machine.processor}, ${machine.memoryGb} GB,
load ${machine.load} before it began.

| figure | value | rounds | target | baseline | |
|---|---|---|---|---|---|
${rows.join("\n")}
`;
}

/** The last result of each of the suite's commands; of a bench that has none, its last one. */
function latest(results: readonly Result[], commands: ReadonlySet<string>): Result[] {
  return Object.keys(FIGURES).flatMap((bench) => {
    const own = results.filter((result) => result.bench === bench);
    const last = new Map(own.filter(({ command }) => commands.has(command)).map((result) => [result.command, result]));
    return last.size > 0 ? [...last.values()] : own.slice(-1);
  });
}

/** @param commands of the whole suite */
export function benchmarksPage(results: readonly Result[], baseline: Baseline, commands: ReadonlySet<string>): string {
  return [HEAD, ...latest(results, commands).map((result) => table(result, baseline))].join("\n");
}

/** What README shows: a bench, its figure, and the words for it. */
const README_FIGURES = [
  ["decode", "58752000, rows a CPU second", "dense ledgers to Arrow columns, rows a CPU second"],
  ["pipeline", "lake, ledgers a second", "from a lake to a Flight client, ledgers a second"],
  ["pipeline", "lake, ledgers a CPU second", "the same, ledgers a CPU second"],
  ["reception", "CPU a gigabyte, compared", "ledgers received by gRPC, CPU a gigabyte"],
  ["control", "GetStatus, idle, p99", "a control call beside that of an empty grpc-go server, 99 of 100 within"],
] as const;
const README_PART = /(<!-- Written by `make bench`: .* -->\n)[\s\S]*?(?=<!-- to here -->)/;

/** README with the table of what was measured last. @param commands of the whole suite */
export function readmeWithFigures(readme: string, results: readonly Result[], commands: ReadonlySet<string>): string {
  const last = latest(results, commands);
  const rows = README_FIGURES.flatMap(([bench, name, words]) => {
    const result = last.findLast((each) => each.bench === bench && each.figures[name] !== undefined);
    if (result === undefined) return [];
    const { value, unit } = result.figures[name]!;
    return [`| ${words} | ${figureText(value)} ${unit} | \`bun bench/${result.command}\` |`];
  });
  return readme.replace(
    README_PART,
    (_, head) => `${head}\n| | measured | by |\n|---|---|---|\n${rows.join("\n")}\n\n`,
  );
}

export function benchmarksChart(results: readonly Result[], commands: ReadonlySet<string>): string {
  const series = Object.entries(FIGURES).flatMap(([bench, figures]) =>
    Object.entries(figures as Record<string, Figure>)
      .filter(([, figure]) => isRatio(figure))
      .map(([name, { unit, target }]): Series => {
        const points = results
          .filter((result) => result.bench === bench && result.figures[name] !== undefined)
          .map(({ at, command, figures }) => ({ at, value: figures[name]!.value, isFull: commands.has(command) }));
        return { title: `${bench}: ${name}`, unit, ...(target === undefined ? {} : { target }), points };
      }),
  );
  return historyChart(series);
}
