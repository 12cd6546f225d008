/** The fixed part of the calls' fuzzing, and proof that the judge can find. `make fuzz` runs more. */
import { expect, test } from "bun:test";
import { runCalls, wrongWith } from "./calls.ts";

const SEED = 20_261_128;
const CASES = 200;

test(`${CASES} calls of seed ${SEED}`, async () => {
  const { statuses, findings } = await runCalls(SEED, 0, CASES);
  expect(findings).toEqual([]);
  // the run is worth something only if it sees these ends
  for (const status of ["answered", "INVALID_ARGUMENT", "UNAUTHENTICATED"]) {
    expect(statuses[status] ?? 0, JSON.stringify(statuses)).toBeGreaterThan(CASES / 100);
  }
}, 120_000);

test("the judge finds an answer without a reason, one of a fault, and a connection's end", () => {
  const end = (status: string, reason = "", details = "") => wrongWith({ status, reason, details });
  expect(end("INVALID_ARGUMENT", "NO_SUCH_REASON")).toContain("NO_SUCH_REASON");
  expect(end("INTERNAL", "UNEXPECTED")).toContain("UNEXPECTED");
  expect(end("UNAVAILABLE", "", "Connection dropped")).toContain("dropped");
  expect(end("CANCELLED", "", "RST_STREAM with code 8")).toContain("code 8");
  expect(end("UNAUTHENTICATED", "CREDENTIALS")).toBeUndefined();
});
