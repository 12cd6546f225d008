/** Twenty fixed seeds of the simulated cluster; thousands run in `make soak`. cluster-simulation.ts says what is checked. */
import { describe, expect, test } from "bun:test";
import { expectFound } from "../finds-bug.ts";
import { CLUSTER_CANARIES } from "./cluster-canaries.ts";
import { simulateCluster } from "./cluster-simulation.ts";

const SEEDS = 20;

describe("simulated cluster", () => {
  test("every session has one owner, and every client every row once", async () => {
    let takeovers = 0;
    for (let seed = 1; seed <= SEEDS; seed++) takeovers += (await simulateCluster(seed)).takeovers;
    expect(takeovers).toBeGreaterThan(SEEDS);
  });

  test("the same seed gives the same run", async () => {
    expect(await simulateCluster(3)).toEqual(await simulateCluster(3));
  });

  for (const canary of CLUSTER_CANARIES) {
    test(`it finds the bug "${canary}" when that is put in`, async () => {
      await expectFound((seed) => simulateCluster(seed, canary));
    });
  }
});
