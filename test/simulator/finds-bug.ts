/** That a simulation finds a bug that was put in. */
import { expect } from "bun:test";

const CANARY_SEEDS_MAX = 30; // a bug must show within so many runs

/** @param run the simulation with the bug in it, by seed; it rejects where it finds something, and names its seed */
export async function expectFound(run: (seed: number) => Promise<unknown>): Promise<void> {
  for (let seed = 1; seed <= CANARY_SEEDS_MAX; seed++) {
    const found = await run(seed).then(
      () => undefined,
      (thrown: Error) => thrown.message,
    );
    if (found !== undefined) {
      expect(found).toContain(`seed ${seed}: `);
      return;
    }
  }
  throw new Error(`not found in ${CANARY_SEEDS_MAX} runs`);
}
