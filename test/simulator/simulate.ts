/**
 * Runs the simulator: `bun test/simulator/simulate.ts [--seed N] [--runs N] [--canary order|gate|slots|cursor|assets]`.
 * SEED in the environment is the first seed too. A failure prints its seed; the same seed makes the same world again.
 */
import { parseArgs } from "node:util";
import { CANARIES, type Canary } from "./canaries.ts";
import { simulate } from "./simulation.ts";

const { values } = parseArgs({
  options: { seed: { type: "string" }, runs: { type: "string", default: "1" }, canary: { type: "string" } },
});
const first = Number(values.seed ?? process.env.SEED ?? 1);
const runs = Number(values.runs);
const canary = values.canary as Canary | undefined;
if (!Number.isInteger(first) || first < 1 || !Number.isInteger(runs) || runs < 1) {
  console.error("--seed and --runs take whole numbers from 1 on");
  process.exit(2);
}
if (canary !== undefined && !CANARIES.includes(canary)) {
  console.error(`--canary takes one of ${CANARIES.join(", ")}`);
  process.exit(2);
}
let failed = 0;
const begun = performance.now();
for (let seed = first; seed < first + runs; seed++) {
  try {
    const report = await simulate(seed, canary);
    if (runs <= 50) console.log(JSON.stringify(report));
  } catch (thrown) {
    failed += 1;
    console.log((thrown as Error).message);
    if (runs === 1) console.log((thrown as Error).cause);
  }
  const done = seed - first + 1;
  if (runs > 50 && done % 50 === 0) {
    console.log(`  ${done} of ${runs} runs, ${failed} failed, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  }
}
console.log(
  `${runs - failed} runs as they should be, ${failed} not, ${((performance.now() - begun) / 1000).toFixed(1)} s`,
);
process.exit(failed === 0 ? 0 : 1);
