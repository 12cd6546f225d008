/** Memory between streams: nobody is refused that there is a place for, and together they never have more than there is. */
import { expect, test } from "bun:test";
import { MemoryShares } from "../../src/engine/memory-shares.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const MIB = 1 << 20;
const WHOLE = 125 * MIB;

test("with the default limits all sessions and ranges have a place, and one that is read has its whole share", () => {
  const shares = new MemoryShares(440 * MIB, 2 * MIB, 64 + 32);
  const held = new Map<number, number>(); // the worst case: each fills its share at once, and nobody reads
  const admit = (stream: number) => {
    shares.admit(stream, 2 * MIB, WHOLE);
    shares.lend(() => false);
    held.set(stream, shares.of(stream));
  };
  admit(1);
  expect(shares.of(1)).toBe(WHOLE);
  for (let stream = 2; stream <= 64; stream++) admit(stream);
  for (const [stream, bytes] of held) shares.settle(stream, bytes);
  shares.lend((stream) => stream === 64);
  expect(shares.of(64)).toBeGreaterThan(100 * MIB);
  for (let range = 65; range <= 96; range++) {
    shares.admit(range, 2 * MIB, 20 * MIB);
    shares.lend((stream) => stream >= 64);
    expect(shares.of(range)).toBeGreaterThanOrEqual(2 * MIB);
  }
});

test("a lowered share is free for others only as it is given back", () => {
  const shares = new MemoryShares(100, 10, 2);
  shares.admit(1, 10, 90);
  shares.lend(() => true);
  expect(shares.of(1)).toBe(90);
  shares.admit(2, 10, 90);
  shares.lend(() => true);
  expect([shares.of(1), shares.of(2)]).toEqual([50, 10]);
  shares.settle(1, 70);
  shares.lend(() => true);
  expect([shares.of(1), shares.of(2)]).toEqual([50, 30]);
  shares.settle(1, 20);
  shares.lend(() => true);
  expect([shares.of(1), shares.of(2)]).toEqual([50, 50]);
  shares.drop(1);
  expect(shares.lend(() => true)).toEqual([2]);
  expect(shares.of(2)).toBe(90);
});

test("whatever comes and goes, what streams have is within the limit, and each keeps its least share", () => {
  const seed = seedOf();
  const random = randomFrom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  for (let round = 0; round < 200; round++) {
    const bytesMax = 100 + below(2000);
    const shares = new MemoryShares(bytesMax, 10, 1 + below(40));
    const retained = new Map<number, number>();
    const read = new Set<number>();
    let over: number[] = [];
    for (let step = 0; step < 200; step++) {
      const streams = [...retained.keys()];
      const pick = streams[below(streams.length)] ?? 0;
      const what = below(6);
      if (what === 0) {
        try {
          shares.admit(1000 + step, 10, 10 + below(300));
          retained.set(1000 + step, 0);
        } catch {
          expect(shares.freeBytes).toBeLessThan(10);
        }
      } else if (what === 1 && retained.delete(pick)) shares.drop(pick);
      else if (what === 2 && read.has(pick)) read.delete(pick);
      else if (what === 2) read.add(pick);
      else if (what === 3 && retained.has(pick) && !over.includes(pick)) {
        retained.set(pick, Math.max(retained.get(pick)!, below(shares.of(pick) + 1)));
      } else if (what === 4 && retained.has(pick)) {
        retained.set(pick, below(retained.get(pick)! + 1));
        if (over.includes(pick)) shares.keep(pick, retained.get(pick)!);
        else shares.settle(pick, retained.get(pick)!);
      } else if (what === 5 && retained.has(pick) && below(4) === 0) {
        over.push(pick);
        shares.keep(pick, retained.get(pick)!);
      }
      shares.lend((stream) => read.has(stream));
      over = over.filter((stream) => retained.has(stream));
      let most = 0;
      for (const [stream, bytes] of retained) {
        const share = shares.of(stream);
        if (!over.includes(stream) && share < 10) throw new Error(`seed ${seed}: stream ${stream} has ${share}`);
        most += Math.max(bytes, share);
      }
      if (most > bytesMax) throw new Error(`seed ${seed}, round ${round}: streams may have ${most} of ${bytesMax}`);
    }
  }
});
