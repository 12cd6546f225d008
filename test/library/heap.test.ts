/** Decoding keeps nothing: the short form of bench/decode-heap.ts, which does a million rows. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import type { HeapSample } from "../../bench/support/heap.ts";

const ROWS = 100_000;
const WARM_UP_ROWS = 20_000;
const RUN_MS_MAX = 60_000; // a hang's end, not a speed
const GROWTH_OBJECTS_MAX = 1000; // one object a ledger would be 332 and its slots more, one a row 100,000
const GROWTH_BYTES_MAX = 1_000_000; // a byte and more a row kept would be found at a tenth of this

test(
  `${ROWS} rows leave nothing on the heap`,
  async () => {
    const child = Bun.spawn(
      [process.execPath, join(import.meta.dir, "heap-samples.ts"), String(ROWS), String(WARM_UP_ROWS)],
      { stdout: "pipe", stderr: "inherit" },
    );
    const [begin, , end] = (await new Response(child.stdout).json()) as HeapSample[];
    expect(end!.rows).toBeGreaterThanOrEqual(ROWS);
    expect(end!.keptObjects - begin!.keptObjects).toBeLessThan(GROWTH_OBJECTS_MAX);
    expect(end!.keptBytes - begin!.keptBytes).toBeLessThan(GROWTH_BYTES_MAX);
    expect(end!.externalBytes - begin!.externalBytes).toBeLessThan(GROWTH_BYTES_MAX);
  },
  RUN_MS_MAX,
);
