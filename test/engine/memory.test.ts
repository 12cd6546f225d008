/** MAX_MEMORY_MB holds while a client reads slowly; ten minutes of each run in `make soak`. */
import { expect, test } from "bun:test";
import { memoryRun } from "./memory-run.ts";

for (const { ledgers, memoryMib, seconds } of [
  { ledgers: "dense", memoryMib: 384, seconds: 9 },
  { ledgers: "large", memoryMib: 1024, seconds: 9 },
] as const) {
  test(`${ledgers} ledgers at full speed and a slow client stay under ${memoryMib} MiB`, async () => {
    const run = await memoryRun({ seconds, ledgers, memoryMib, workers: 2 });
    expect(run.residentMibMost).toBeLessThan(run.residentMibLimit);
  }, 120_000);
}
