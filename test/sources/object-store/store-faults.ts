/** Seeded runs over a store whose answers break: the rows of the folder exactly, or an error that says what has happened. */
import { expect } from "bun:test";
import { CodedError } from "../../../src/error.ts";
import { Lake } from "../../../src/sources/lake/lake.ts";
import { ANSWER_FAULTS, BODY_FAULTS, FaultyProxy, type StoreFault } from "../../support/faulty-proxy.ts";
import { SAMPLE } from "../../support/processor.ts";
import { randomFrom, seedOf } from "../../support/random.ts";
import { rowsAndCursors } from "./lake-readings.ts";

/** Runs with faults: 200 in `make soak`. */
const RUNS = Number(process.env.STORE_RUNS ?? 10);

/** One answer in so many is broken. */
const ANSWERS_TO_FAULT = 12;

const RUN_MS_MAX = 60_000; // six tries of each of some requests, with 500 ms for a silent one, on a machine under full load

/** Reasons that an error of a run may have, and the faults that may lead there. */
const DOCUMENTED: Readonly<Record<string, readonly StoreFault[]>> = {
  STORE_UNAVAILABLE: ["refused", "cut", "short", "stalled", "slow", "drip", "429", "503", "404", "403"],
  STORE_DENIED: ["403"],
  BUCKET_NOT_FOUND: ["404"],
  LAKE_NOT_FOUND: ["404"],
  LEDGER_MISSING: ["404", "403"],
  LEDGER_AFTER_SOURCE: ["404", "403"],
  FILE_NOT_FOUND: ["404"],
  ZSTD_CORRUPT: ["flipped"],
  ZSTD_TRUNCATED: ["truncated", "wrong length", "flipped"],
};

/**
 * @param target of the store
 * @param open a lake at the sample, through an endpoint
 */
export async function expectFaultsBorne(target: string, open: (endpoint: string) => Promise<Lake>): Promise<void> {
  const expected = await rowsOf(await Lake.open(SAMPLE.folder));
  const seed = seedOf();
  const ends: Record<string, number> = {};
  for (let run = 0; run < RUNS; run++) {
    const runSeed = seed + run;
    const faults = new SeededFaults(runSeed);
    using proxy = new FaultyProxy(target, (request) => faults.next(request));
    const begun = performance.now();
    const seen = await open(proxy.endpoint)
      .then(rowsOf)
      .catch((thrown) => CodedError.from(thrown));
    // A run is made again by SEED=… STORE_RUNS=1.
    const hint = `SEED=${runSeed}\n${seen instanceof CodedError ? seen.message : ""}\n${faults.told.join("\n")}`;
    if (seen instanceof CodedError) {
      const causes: readonly StoreFault[] = DOCUMENTED[seen.reason] ?? [];
      expect(
        causes.filter((fault) => faults.kinds.has(fault)),
        `${seen.reason} of a fault that leads there, ${hint}`,
      ).not.toEqual([]);
    } else expect(seen, hint).toEqual(expected);
    expect(performance.now() - begun, hint).toBeLessThan(RUN_MS_MAX);
    const end = seen instanceof CodedError ? seen.reason : "all rows";
    ends[end] = (ends[end] ?? 0) + 1;
  }
  console.log(`${RUNS} runs from SEED=${seed}: ${JSON.stringify(ends)}`);
  if (RUNS > 1) expect(ends["all rows"] ?? 0, `SEED=${seed} ${JSON.stringify(ends)}`).toBeGreaterThan(0);
}

/** Without cursors: how rows are cut into batches is a matter of time. */
async function rowsOf(lake: Lake): Promise<string[]> {
  return (await rowsAndCursors(lake)).filter((line) => line.startsWith("{"));
}

/** The same faults for the same requests, in whatever order they come. */
class SeededFaults {
  /** What was broken, in order. */
  readonly told: string[] = [];
  readonly kinds = new Set<StoreFault>();
  private readonly counts = new Map<string, number>();

  constructor(private readonly seed: number) {}

  /** @param request method and path */
  next(request: string): StoreFault {
    const count = this.counts.get(request) ?? 0;
    this.counts.set(request, count + 1);
    const random = randomFrom(Number(Bun.hash(`${this.seed} ${count} ${request}`) & 0xffffffffn));
    random(); // of a poor seed the first number is one
    if (random() * ANSWERS_TO_FAULT >= 1) return "none";
    // Nothing but its own checks tells that an object is not as it was; lists and manifests have none.
    const faults: readonly StoreFault[] = request.includes(".xdr.")
      ? [...ANSWER_FAULTS, ...BODY_FAULTS]
      : ANSWER_FAULTS;
    const fault = faults[Math.floor(random() * faults.length)]!;
    this.told.push(`${fault}: ${request}`);
    this.kinds.add(fault);
    return fault;
  }
}
