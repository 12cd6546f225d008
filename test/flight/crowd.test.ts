import { expect, test } from "bun:test";
import { runCrowd } from "./crowd.ts";

test("100 clients on one session, 10 of them slow and 10 killed: the other 80 have exactly the source's rows", async () => {
  const result = await runCrowd({ clients: 100, slow: 10, killed: 10, cycles: 20 });
  expect(result.failures, `seed ${result.seed}`).toEqual([]);
  expect(result.exact).toBe(80);
  // Slow ones too, in the end: each had all rows, or was ended with a cursor and got the rest from there.
  expect(result.slowExact).toBe(10);
  expect(result.slowEnded).toBeGreaterThan(0);
  // 0 where the slowest took a batch between every two looks, as on a machine that is busy.
  expect(result.heldBackMsMax).toBeLessThanOrEqual(result.heldBackMsLimit);
  expect(result.retainedBytesMax).toBeGreaterThan(0);
  expect(result.retainedBytesMax).toBeLessThanOrEqual(result.retainedBytesLimit);
  expect(result.residentMiBMax).toBeLessThanOrEqual(result.residentMiBLimit);
}, 120_000);
