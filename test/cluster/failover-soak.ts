/**
 * Fail-over at length: `bun test/cluster/failover-soak.ts --kills 50 [--lease MS] [--seed N]`. Exit code 1 where a row is
 * lost or doubled, or a gap is longer than the lease and two seconds.
 */
import { parseArgs } from "node:util";
import { seedOf } from "../support/random.ts";
import { failoverRun } from "./failover-run.ts";

const BEYOND_LEASE_MS = 2000;

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "50" },
    lease: { type: "string", default: "3000" },
    seed: { type: "string" },
  },
});
const seed = values.seed === undefined ? seedOf() : Number(values.seed);
const leaseMs = Number(values.lease);
console.log(`seed ${seed}`);
try {
  const { gapsMs, ...report } = await failoverRun({ kills: Number(values.kills), seed, leaseMs, say: console.log });
  const longestMs = Math.max(...gapsMs);
  console.log(`${JSON.stringify(report)}; longest gap ${longestMs} ms, lease ${leaseMs} ms`);
  if (longestMs > leaseMs + BEYOND_LEASE_MS) throw new Error(`a gap of ${longestMs} ms, over the lease and 2 s`);
} catch (thrown) {
  console.error(`SEED=${seed}: ${(thrown as Error).stack}`);
  process.exit(1);
}
process.exit(0);
