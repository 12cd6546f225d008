import { expect, test } from "bun:test";
import { runCrowd } from "./crowd.ts";

const RESIDENT_MIB_MAX = 1024; // of a server with MAX_MEMORY_MB 256; what a hundred connections queue stands beside that

test("100 clients on one session, 10 of them slow and 10 killed: the other 80 have exactly the source's rows", async () => {
  const result = await runCrowd({ clients: 100, slow: 10, killed: 10, cycles: 20 });
  expect(result.failures, `seed ${result.seed}`).toEqual([]);
  expect(result.exact).toBe(80);
  expect(result.residentMiBMax).toBeLessThan(RESIDENT_MIB_MAX);
}, 120_000);
