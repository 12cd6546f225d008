/** The command line of a simulator: --seed N, --runs N, --canary NAME. SEED in the environment is the first seed too. */
import { parseArgs } from "node:util";

/** @returns the exit code */
export async function runSimulations<C extends string>(
  simulate: (seed: number, canary?: C) => Promise<object>,
  canaries: readonly C[],
): Promise<number> {
  const { values } = parseArgs({
    options: { seed: { type: "string" }, runs: { type: "string", default: "1" }, canary: { type: "string" } },
  });
  const first = Number(values.seed ?? process.env.SEED ?? 1);
  const runs = Number(values.runs);
  const canary = values.canary as C | undefined;
  if (!Number.isInteger(first) || first < 1 || !Number.isInteger(runs) || runs < 1) {
    console.error("--seed and --runs take whole numbers from 1 on");
    return 2;
  }
  if (canary !== undefined && !canaries.includes(canary)) {
    console.error(`--canary takes one of ${canaries.join(", ")}`);
    return 2;
  }
  let failed = 0;
  const begun = performance.now();
  const seconds = () => (performance.now() - begun) / 1000;
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
    if (runs > 50 && done % 50 === 0)
      console.log(`  ${done} of ${runs} runs, ${failed} failed, ${seconds().toFixed(0)} s`);
  }
  console.log(`${runs - failed} runs as they should be, ${failed} not, ${seconds().toFixed(1)} s`);
  return failed === 0 ? 0 : 1;
}
