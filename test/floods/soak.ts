/**
 * Floods of HTTP/2 for a minute each, from a process of their own, while another client asks for the sessions of a server:
 * its p99 is at most three times what it is beside a process that only burns as much CPU, memory grows by less than
 * 32 MiB, and no descriptor is left. Part of `make soak`.
 *
 *   bun test/floods/soak.ts [--seconds 60] [--kinds pings,resets]
 */
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { connectControl } from "../../src/control/client.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { FLOODS } from "./flood.ts";
import { residentMib } from "./resident.ts";

const P99_FACTOR_MAX = 3;
const P99_MS_FLOOR = 10; // below it the scheduler of a shared machine decides
const GROWN_MIB_MAX = 32;
const ASK_EVERY_MS = 5;
const SETTLE_MS = 3000; // sockets that ended are given back within CLOSE_MS_MAX, and garbage is collected
const WARM_MS = 3000;

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    kinds: { type: "string", default: Object.keys(FLOODS).join() },
  },
});
const floodMs = Number(flags.seconds) * 1000;

const server = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=1"]);
const control = connectControl(server.control);
const port = Number(server.control.split(":")[1]);
let failures = 0;

const floodCommand = (kind: string, ms: number, host: number) => [
  ...[process.execPath, "test/floods/flood.ts"],
  JSON.stringify({ port, kind, ms, connections: 2, localAddress: `127.0.2.${host}` }),
];
const burnCommand = (ms: number) => [
  process.execPath,
  "-e",
  `const t = performance.now(); while (performance.now() - t < ${ms});`,
];

/** p99 in milliseconds of ListSessions, asked until the command ends. */
async function p99Beside(command: string[]): Promise<{ p99: number; said: string }> {
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
  let over = false;
  void child.exited.then(() => {
    over = true;
  });
  const took: number[] = [];
  while (!over) {
    const begun = performance.now();
    await control.listSessions({});
    took.push(performance.now() - begun);
    await Bun.sleep(ASK_EVERY_MS);
  }
  took.sort((a, b) => a - b);
  return { p99: took[Math.floor(took.length * 0.99)]!, said: (await new Response(child.stdout).text()).trim() };
}

const descriptors = ({ pid }: Processor) => readdirSync(`/proc/${pid}/fd`).length;

for (const [host, kind] of Object.keys(FLOODS).entries()) await p99Beside(floodCommand(kind, WARM_MS, host + 101)); // all code has run
for (const [host, kind] of Object.keys(FLOODS).entries()) {
  if (!flags.kinds.split(",").includes(kind)) continue;
  const alone = await p99Beside(burnCommand(floodMs / 2));
  const before = { mib: residentMib(server.pid), descriptors: descriptors(server) };
  const flooded = await p99Beside(floodCommand(kind, floodMs, host + 1));
  await Bun.sleep(SETTLE_MS);
  const grown = residentMib(server.pid) - before.mib;
  const left = await until(() => descriptors(server) <= before.descriptors, "descriptors", SETTLE_MS).catch(
    () => false,
  );
  const isCalm = flooded.p99 <= Math.max(P99_MS_FLOOR, P99_FACTOR_MAX * alone.p99);
  const passed = isCalm && grown < GROWN_MIB_MAX && left !== false;
  if (!passed) failures++;
  console.log(
    `${passed ? "ok    " : "FAILED"} ${kind}: p99 ${flooded.p99.toFixed(1)} ms beside the flood, ${alone.p99.toFixed(1)} ms beside CPU alone; ` +
      `${grown.toFixed(0)} MiB grown, ${descriptors(server) - before.descriptors} descriptors left; ${flooded.said}`,
  );
}
control.close();
await server.stop();
console.log(`${failures} floods did harm`);
process.exit(failures === 0 ? 0 : 1);
