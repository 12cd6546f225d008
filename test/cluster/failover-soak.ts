/**
 * Fail-over at length: `bun test/cluster/failover-soak.ts --kills 50 [--freeze] [--lease MS] [--seed N]`, with the example of Python beside our
 * client where there is Python. Exit code 1 where a row is lost or doubled, or a gap is longer than the lease and two seconds. With
 * --freeze nodes are not killed but stopped, and clients have to find that out: a gap may be as long as keepalive takes, too.
 */
import { parseArgs } from "node:util";
import { pythonInterpreter } from "../clients/toolchain.ts";
import { seedOf } from "../support/random.ts";
import { failoverRun } from "./failover-run.ts";

const BEYOND_LEASE_MS = 2000;
const KEEPALIVE_MS = 40_000; // of our client and of the examples
const ASK_MS_MAX = 10_000; // a client may ask the frozen node first

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "50" },
    lease: { type: "string", default: "3000" },
    seed: { type: "string" },
    freeze: { type: "boolean", default: false },
  },
});
const seed = values.seed === undefined ? seedOf() : Number(values.seed);
const leaseMs = Number(values.lease);
console.log(`seed ${seed}`);
try {
  const { command: python, missing } = await pythonInterpreter();
  if (python === undefined) console.warn(`without the example of Python: ${missing}`);
  const boundMs = leaseMs + BEYOND_LEASE_MS + (values.freeze ? KEEPALIVE_MS + ASK_MS_MAX : 0);
  const given = { freezes: values.freeze, kills: Number(values.kills), seed, leaseMs, python, say: console.log };
  const { gapsMs, pythonGapsMs, ...report } = await failoverRun(given);
  console.log(`${JSON.stringify(report)}; lease ${leaseMs} ms`);
  for (const [client, gaps] of Object.entries({ "our client": gapsMs, Python: pythonGapsMs })) {
    if (gaps.length === 0) continue;
    const sorted = gaps.toSorted((a, b) => a - b);
    const [median, longest] = [sorted[sorted.length >> 1]!, sorted.at(-1)!];
    console.log(`${client}: gaps of ${median} ms as the median, ${longest} ms at most`);
    if (longest > boundMs) throw new Error(`${client}: a gap of ${longest} ms, over ${boundMs} ms`);
  }
} catch (thrown) {
  console.error(`SEED=${seed}: ${(thrown as Error).stack}`);
  process.exit(1);
}
process.exit(0);
