/** MAX_MEMORY_MB is what a container's limit may be: some cells of the grid; the whole grid runs in `make soak`. */
import { afterAll, expect, test } from "bun:test";
import { MemoryGuard } from "../../src/engine/memory-guard.ts";
import { goClient } from "../clients/toolchain.ts";
import { type MemoryResult, makeLake, runCase } from "../engine/memory-case.ts";
import { CANARY, CELLS, faultOf } from "../engine/memory-grid.ts";

const MIB = 1 << 20;
const SECONDS = 4; // the peaks come with the first full shares
const go = await goClient();
const lake = await makeLake("dense", 300);
afterAll(() => lake[Symbol.dispose]());

test("a server whose cgroup is too small is killed", async () => {
  let result: MemoryResult;
  try {
    result = await runCase({ ...CANARY, seconds: SECONDS }, lake);
  } catch (thrown) {
    expect(String(thrown)).toContain("serve exited with 137"); // before it was ready
    return;
  }
  if (result.cgroup === 0) return console.warn("no memory cgroup can be made here: resident memory is sampled instead");
  expect(result.died).toBe(true);
}, 60_000);

for (const [name, cell] of Object.entries(CELLS)) {
  test.skipIf(cell.over === "grpc" && go.missing !== undefined)(
    `${name} MiB`,
    async () => {
      const { output: _, ...result } = await runCase({ ...cell, seconds: SECONDS }, lake);
      expect({ fault: faultOf(cell, result), result }).toEqual({ fault: undefined, result });
      expect(result.residentMibMost).toBeLessThanOrEqual(cell.memoryMib);
    },
    60_000,
  );
}

test("near the limit garbage is collected, then nothing new is begun but one span at a time", async () => {
  const guard = new MemoryGuard(1000 * MIB);
  const { signal } = new AbortController();
  guard.look(700 * MIB);
  expect([guard.rounds, guard.pressure.isFull, guard.pressure.isAsked()]).toEqual([0, false, false]);
  guard.look(820 * MIB);
  expect([guard.rounds, guard.pressure.isFull, guard.pressure.isAsked()]).toEqual([1, false, true]);
  expect(guard.pressure.isAsked()).toBe(false);
  await guard.admit(signal);
  guard.look(990 * MIB);
  expect(guard.pressure.isFull).toBe(true);
  await guard.admit(signal); // whoever comes first, lest all wait for somebody who does not read
  let admitted = 0;
  const waiting = Promise.all([guard.admit(signal), guard.admit(signal)].map((each) => each.then(() => admitted++)));
  await Bun.sleep(1); // on a slow machine much longer, and a turn may have come
  expect(admitted).toBe(0);
  guard.look(500 * MIB);
  await waiting;
});
