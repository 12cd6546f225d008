/**
 * `make bench` and `make bench-quick`: benches one after the other. Each writes its result to bench/results; then
 * docs/benchmarks.md, docs/benchmarks.svg and README's table are made from all results there. Ends with 1 where a ratio is worse than the
 * baseline by more than its tolerance, or a bench did not end with a result.
 *
 *   bun bench/main.ts [--quick] [--only control,decode] [--accept] [--draw]
 *
 * --accept makes the last results of these commands the baseline, --draw only writes the page again; neither runs a bench.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../test/support/processor.ts";
import { accepted, compare, readBaseline, verdictLine, writeBaseline } from "./support/comparison.ts";
import { benchmarksChart, benchmarksPage, readmeWithFigures } from "./support/page.ts";
import { type Result, readResults } from "./support/result.ts";

const FULL = [
  "decode.ts --rounds 5 --milliseconds 1000",
  "decode-heap.ts",
  "chain.ts",
  "flight.ts",
  "flight.ts --tls",
  "pipeline.ts --only lake",
  "pipeline.ts --only raw",
  "latency.ts",
  "large.ts --seconds 60",
  "datasets.ts",
  "traces.ts",
  "resident.ts",
  "reception.ts",
  "control.ts",
  "probes.ts",
  "start.ts",
  "sources.ts",
  "source-kinds.ts",
  "tip.ts",
  "parquet.ts --rounds 5 --times 8",
  "sink-postgres.ts",
  "backfill.ts",
];
const QUICK = [
  "decode.ts --rounds 2 --milliseconds 300 --only 58752000",
  "pipeline.ts --only lake --ledgers 400 --go-ledgers 40 --rounds 2",
  "reception.ts --rounds 1 --seconds 2",
  "control.ts --rounds 1 --calls 1000",
  "start.ts --rounds 5",
  "flight.ts --rounds 1 --bytes 600000000",
];

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    accept: { type: "boolean", default: false },
    draw: { type: "boolean", default: false },
  },
});
const only = flags.only?.split(",");
const commands = (flags.quick ? QUICK : FULL).filter((command) => only?.includes(command.split(".ts")[0]!) ?? true);

/** Runs one bench; its result, or undefined where it left none. */
function run(command: string): Result | undefined {
  const begun = performance.now();
  const startedAt = new Date().toISOString();
  console.log(`\n== ${command}`);
  const [file, ...args] = command.split(" ");
  spawnSync(process.execPath, [join(ROOT, "bench", file!), ...args], { cwd: ROOT, stdio: "inherit" });
  console.log(`== ${command}: ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  return readResults().findLast((result) => result.command === command && result.at >= startedAt);
}

const failures: string[] = [];
if (flags.accept) {
  const results = readResults().filter(({ command }) => commands.includes(command));
  writeBaseline(accepted(readBaseline(), results));
} else if (!flags.draw) {
  for (const command of commands) {
    const result = run(command);
    if (result === undefined) failures.push(`${command} left no result`);
    else {
      const worse = compare(result, readBaseline()).filter(({ isRegression }) => isRegression);
      failures.push(...worse.map((verdict) => `${command}: ${verdictLine(verdict)}`));
    }
  }
}
const results = readResults();
writeFileSync(join(ROOT, "docs/benchmarks.md"), benchmarksPage(results, readBaseline(), new Set(FULL)));
writeFileSync(join(ROOT, "docs/benchmarks.svg"), benchmarksChart(results, new Set(FULL)));
const readme = join(ROOT, "README.md");
writeFileSync(readme, readmeWithFigures(readFileSync(readme, "utf8"), results, new Set(FULL)));
if (failures.length > 0) console.log(`\n${failures.join("\n")}`);
else if (!flags.accept && !flags.draw) console.log("\nno regression");
process.exit(failures.length === 0 ? 0 : 1);
