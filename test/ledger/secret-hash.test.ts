/** Whatever the process's multipliers are, ids in a row lie in a table as if by chance. */
import { expect, test } from "bun:test";

const IDS = 2000;
const BITS = 12;
const PROCESSES = 300; // of weak multipliers one in a hundred would have clusters

test("ids that differ by a step do not cluster, in any process", async () => {
  for (let run = 0; run < PROCESSES; run++) {
    // a module of its own has multipliers of its own, as a process has
    const path = `../../src/ledger/secret-hash.ts?run=${run}`;
    const { secretHash } = (await import(path)) as typeof import("../../src/ledger/secret-hash.ts");
    for (const shift of [32 - BITS, 0]) {
      expect(collisions((view) => (secretHash(view, 0) >>> shift) & ((1 << BITS) - 1))).toBeLessThan(IDS);
    }
  }
});

/** Steps beyond the first that open addressing takes to place all ids; some 950 where they lie by chance. */
function collisions(home: (id: DataView) => number): number {
  const id = new DataView(new ArrayBuffer(32));
  const taken = new Uint8Array(1 << BITS);
  let steps = 0;
  for (let i = 0; i < IDS; i++) {
    id.setUint32(28, i);
    let slot = home(id);
    for (; taken[slot] === 1; slot = (slot + 1) & (taken.length - 1)) steps++;
    taken[slot] = 1;
  }
  return steps;
}
