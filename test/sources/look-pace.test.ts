import { expect, test } from "bun:test";
import { LookPace } from "../../src/sources/lake/look-pace.ts";

/** Looks for objects that come every `distanceMs`, and the longest time from an object to its look. */
function follow(distanceMs: number, objects: number, pauseMsMin = 10): { looks: number; noticedMsMax: number } {
  let now = 0;
  const pace = new LookPace(pauseMsMin, () => now);
  let [looks, noticedMsMax] = [0, 0];
  for (let next = distanceMs; next <= objects * distanceMs; next += distanceMs) {
    for (; now < next; looks++) now += pace.pauseMs();
    noticedMsMax = Math.max(noticedMsMax, now - next);
    pace.came();
  }
  return { looks, noticedMsMax };
}

test("at the network's pace it looks a third as often, and notices an object as soon", () => {
  const { looks, noticedMsMax } = follow(5_000, 100);
  expect(looks).toBeLessThan((100 * 500) / 2.5);
  expect(noticedMsMax).toBeLessThanOrEqual(12);
});

test("objects that come fast are looked for at full pace", () => {
  expect(follow(40, 100).noticedMsMax).toBeLessThanOrEqual(10);
});

test("an object that comes at an unexpected time is noticed within 100 ms", () => {
  let now = 0;
  const pace = new LookPace(10, () => now);
  expect(pace.pauseMs()).toBe(10);
  for (const at of [0, 5_000]) {
    now = at;
    pace.came();
  }
  for (now = 5_000; now < 60_000; now += 7) {
    expect(pace.pauseMs()).toBeGreaterThanOrEqual(10);
    expect(pace.pauseMs()).toBeLessThanOrEqual(100);
  }
});

test("a store whose looks cost money is looked at a few times an object", () => {
  const bucket = follow(5_000, 100, 250);
  expect(bucket.looks).toBeLessThan(100 * 10);
  expect(bucket.noticedMsMax).toBeLessThanOrEqual(260);
  const rpc = follow(5_000, 100, 500);
  expect(rpc.looks).toBeLessThan(100 * 7);
  expect(rpc.noticedMsMax).toBeLessThanOrEqual(510);
});
