/**
 * `make fuzz`: random and mutated ledgers through the decoder, judged by check.ts and steps.ts.
 *
 *   bun test/fuzz/main.ts [--cases 10000]
 *   SEED=<printed> bun test/fuzz/main.ts --only <index>     one case again
 *
 * A finding is written to test/fuzz/cases/ under a name that waits for a better one.
 */
import { parseArgs } from "node:util";
import { seedOf } from "../support/random.ts";
import { Finding } from "./finding.ts";
import { keepCase } from "./kept-cases.ts";
import { runCases } from "./run.ts";

const { values: flags } = parseArgs({
  options: {
    cases: { type: "string", default: "10000" },
    only: { type: "string" },
    keep: { type: "boolean", default: true },
  },
});

const seed = seedOf();
const count = Number(flags.cases);
const first = flags.only === undefined ? 0 : Number(flags.only);
const end = flags.only === undefined ? count : first + 1;
console.log(`SEED=${seed}, cases ${first} to ${end - 1}`);

let findings = 0;
const totals = runCases(seed, first, end, (index, fuzzCase, thrown) => {
  findings++;
  const what = thrown instanceof Finding ? thrown.message : `${thrown instanceof Error ? thrown.stack : thrown}`;
  console.log(`\ncase ${index} (${fuzzCase.description}; ${fuzzCase.bytes.length} bytes): ${what}`);
  const path = keepCase(`found-${seed}-${index}`, fuzzCase, what.split("\n")[0]!);
  console.log(`kept as ${path}; again: SEED=${seed} bun test/fuzz/main.ts --only ${index}`);
});
console.log(
  `${end - first} cases, ${totals.bytes} bytes: ${totals.rows} with rows, ${totals["no rows"]} without, ` +
    `${totals.error} refused; at most ${(totals.stepsShareMax * 100).toFixed(0)} % of the step budget; ${findings} findings`,
);
process.exit(findings === 0 ? 0 : 1);
