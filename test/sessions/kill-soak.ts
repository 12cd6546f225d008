/**
 * The kill run at length: `bun test/sessions/kill-soak.ts --kills 100 [--seed N]`.
 * Exit code 1 with the seed and the reason where a run fails.
 */
import { parseArgs } from "node:util";
import { killRun } from "../support/kill-run.ts";
import { seedOf } from "../support/random.ts";

const { values } = parseArgs({ options: { kills: { type: "string", default: "100" }, seed: { type: "string" } } });
const seed = values.seed === undefined ? seedOf() : Number(values.seed);
console.log(`seed ${seed}`);
const begun = performance.now();
try {
  const report = await killRun({ kills: Number(values.kills), seed, say: (line) => console.log(line) });
  console.log(`${JSON.stringify(report)} in ${((performance.now() - begun) / 1000).toFixed(0)} s`);
} catch (thrown) {
  console.error(`SEED=${seed}: ${(thrown as Error).stack}`);
  process.exit(1);
}
