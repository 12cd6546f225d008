/** Twenty fixed seeds; thousands run in `make soak`. See simulation.ts for what is checked after each. */
import { describe, expect, test } from "bun:test";
import { CANARIES } from "./canaries.ts";
import { expectFound } from "./finds-bug.ts";
import { simulate } from "./simulation.ts";

const SEEDS = 20;

describe("simulator", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    test(`seed ${seed}: every client got the oracle's rows in order, and nothing is left`, async () => {
      const report = await simulate(seed);
      expect(report.sessions).toBeGreaterThan(0);
    });
  }

  for (const canary of CANARIES) {
    test(`it finds the bug "${canary}" when that is put in`, async () => {
      await expectFound((seed) => simulate(seed, canary));
    });
  }
});
