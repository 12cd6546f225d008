/** Runs of fuzz cases. */
import { type FuzzCase, makeCase } from "./cases.ts";
import { check, type Outcome } from "./check.ts";
import { checkSteps } from "./steps.ts";

const STEPS_BYTES_MAX = 100_000; // counting makes every read a call: larger inputs would take most of the time

type Totals = Record<Outcome, number> & { bytes: number; stepsShareMax: number };

/** Cases [first, end) of the run with `seed`; `onFinding` hears of what is not good. */
export function runCases(
  seed: number,
  first: number,
  end: number,
  onFinding: (index: number, fuzzCase: FuzzCase, thrown: unknown) => void,
): Totals {
  const totals: Totals = { rows: 0, "no rows": 0, error: 0, bytes: 0, stepsShareMax: 0 };
  for (let index = first; index < end; index++) {
    const fuzzCase = makeCase(seed, index);
    totals.bytes += fuzzCase.bytes.length;
    try {
      totals[check(fuzzCase)]++;
      if (fuzzCase.bytes.length <= STEPS_BYTES_MAX) {
        totals.stepsShareMax = Math.max(totals.stepsShareMax, checkSteps(fuzzCase));
      }
    } catch (thrown) {
      onFinding(index, fuzzCase, thrown);
    }
  }
  return totals;
}
