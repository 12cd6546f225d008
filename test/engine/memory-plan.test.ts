import { expect, test } from "bun:test";
import { planMemory, planRowReaders, planWindow } from "../../src/engine/memory-plan.ts";
import { META_WINDOW_BYTES_MAX } from "../../src/sources/meta/meta-source.ts";

const MIB = 1 << 20;

test("windows of meta streams are taken from the streams' part, an eighth of the data at most", () => {
  for (const memoryMib of [320, 512, 1024, 4096]) {
    for (const windows of [1, 2, 9]) {
      const window = planWindow(memoryMib * MIB, 2, windows);
      const without = planMemory(memoryMib * MIB, 2);
      const plan = planMemory(memoryMib * MIB, 2, { windows });
      expect(window).toBeLessThanOrEqual(META_WINDOW_BYTES_MAX);
      expect(plan).toEqual({ ...without, streamsBytesMax: without.streamsBytesMax - windows * window });
      expect(plan.streamsBytesMax).toBeGreaterThan(without.streamsBytesMax / 2);
    }
  }
  expect(planWindow(4096 * MIB, 2, 1)).toBe(META_WINDOW_BYTES_MAX);
  expect(planWindow(320 * MIB, 2, 1)).toBe(8 * MIB);
});

test("readers of rows over HTTP are taken from the streams' part, an eighth of the data at most", () => {
  for (const memoryMib of [320, 512, 1024, 4096]) {
    const batchBytesMax = 2 * MIB;
    const without = planMemory(memoryMib * MIB, 2);
    const readersMax = Math.min(16, planRowReaders(memoryMib * MIB, 2, batchBytesMax));
    const plan = planMemory(memoryMib * MIB, 2, { rowReaders: { readersMax, batchBytesMax } });
    const rowReadersBytesMax = readersMax * 4 * MIB;
    const streamsBytesMax = without.streamsBytesMax - rowReadersBytesMax;
    expect(plan).toEqual({ ...without, rowReadersBytesMax, streamsBytesMax });
    expect(plan.streamsBytesMax).toBeGreaterThan(without.streamsBytesMax / 2);
  }
  expect(planRowReaders(1024 * MIB, 4, 2 * MIB)).toBeGreaterThan(16); // the defaults
  expect(planRowReaders(320 * MIB, 1, 256 * MIB)).toBe(1);
});
