/** Twenty fixed seeds; thousands run in `make soak`. See simulation.ts for what is checked after each. */
import { describe, expect, test } from "bun:test";
import { CANARIES } from "./canaries.ts";
import { simulate } from "./simulation.ts";

const SEEDS = 20;
const CANARY_SEEDS_MAX = 30; // a bug must show within so many runs

describe("simulator", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    test(`seed ${seed}: every client got the oracle's rows in order, and nothing is left`, async () => {
      const report = await simulate(seed);
      expect(report.sessions).toBeGreaterThan(0);
    });
  }

  for (const canary of CANARIES) {
    test(`it finds the bug "${canary}" when that is put in`, async () => {
      for (let seed = 1; seed <= CANARY_SEEDS_MAX; seed++) {
        const found = await simulate(seed, canary).then(
          () => undefined,
          (thrown: Error) => thrown.message,
        );
        if (found !== undefined) {
          expect(found).toContain(`seed ${seed}: `);
          return;
        }
      }
      throw new Error(`not found in ${CANARY_SEEDS_MAX} runs`);
    });
  }
});
