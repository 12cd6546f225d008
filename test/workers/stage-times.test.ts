import { expect, test } from "bun:test";
import { StageTimes } from "../../src/workers/stage-times.ts";

/** Keeps the thread busy. */
function work(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

test("work within work counts for its own stage alone", () => {
  const times = new StageTimes();
  const outer = times.mark();
  work(10);
  for (let n = 0; n < 2; n++) {
    const inner = times.mark();
    work(20);
    times.add("encode", inner);
  }
  const all = performance.now() - outer.wallMs;
  const own = times.add("decode", outer, 5); // of which 5 ms were waited
  const later = performance.now() - outer.wallMs;
  const { wall, cpu } = times.read();
  const roundingMs = 0.01;
  expect(1000 * (wall.decode + wall.encode)).toBeGreaterThan(all - 5 - roundingMs);
  expect(1000 * (wall.decode + wall.encode)).toBeLessThan(later - 5 + roundingMs);
  expect(1000 * wall.encode).toBeGreaterThanOrEqual(40 - roundingMs);
  expect(own).toBeLessThan(later - 5 - 40 + roundingMs);
  if (cpu.encode > 0) expect(cpu.decode).toBeLessThan(cpu.encode);
});
