/**
 * Floods of HTTP/2 for a minute each, from a process of their own, while another client asks the same listener: its p99 is
 * at most three times what it is while as much CPU is only burnt (as the flood and the server took together), memory is back
 * within 32 MiB soon after, and no descriptor is left. Part of `make soak`.
 *
 *   bun test/floods/soak.ts [--seconds 60] [--kinds pings,resets] [--listener flight] [--tls] [--everywhere]
 *
 * The other client asks the control plane for GetStatus, Flight for GetFlightInfo, of a session. With --everywhere each
 * connection of a flood comes from another address: the server, which keeps an address out after some floods, has to end
 * every one of them.
 *
 * While a flood of calls lasts, resident memory goes up and down by some 100 MiB: garbage that has outlived a small collection
 * waits for the next whole one, which the runtime makes when its heap has doubled, or a few seconds after the last call.
 */
import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { connectControl } from "../../src/control/client.ts";
import { FlightDescriptor_DescriptorType } from "../../src/grpc/generated/flight.ts";
import { Certificates, contentOf } from "../support/certificates.ts";
import { flightCalls } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { FLOODS } from "./flood.ts";
import { residentMib } from "./resident.ts";

const P99_FACTOR_MAX = 3;
const P99_MS_FLOOR = 10; // below it the scheduler of a shared machine decides
const GROWN_MIB_MAX = 32;
const ASK_EVERY_MS = 5;
const BURN_MS = 10; // as long as the scheduler's turns
const SETTLE_MS = 3000; // sockets that ended are given back within CLOSE_MS_MAX
const COLLECTED_MS = 15_000; // by when garbage is
const WARM_MS = 3000;

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    kinds: { type: "string", default: Object.keys(FLOODS).join() },
    listener: { type: "string", default: "control" },
    tls: { type: "boolean", default: false },
    everywhere: { type: "boolean", default: false },
  },
});
const floodMs = Number(flags.seconds) * 1000;
const kinds = flags.kinds.split(",");

const certificates = flags.tls ? new Certificates() : undefined;
const pair = certificates?.issue("server");
const ca = certificates && contentOf(certificates.ca).cert;
const server = await startProcessor([
  `--source-endpoint=${SAMPLE.folder}`,
  "--worker-count=1",
  ...(pair === undefined ? [] : [`--tls-cert-file=${pair.cert}`, `--tls-key-file=${pair.key}`]),
]);
const tls = ca === undefined ? undefined : { ca: [ca] };
const control = connectControl(server.control, { tls });
const flight = flightCalls(server.flight, { tls });
const { sessionId } = await control.startProcessing({ startLedger: SAMPLE.first, endLedger: SAMPLE.last });
const descriptor = { type: FlightDescriptor_DescriptorType.PATH, path: ["contract", "data", sessionId] };
const isFlight = flags.listener === "flight";
const ask = () => (isFlight ? flight.getFlightInfo(descriptor) : control.getStatus({ sessionId }));
const port = Number((isFlight ? server.flight : server.control).split(":")[1]);
let failures = 0;

const floodCommand = (kind: string, ms: number, host: number) => {
  const from = flags.everywhere ? { everywhere: true } : { localAddress: `127.0.2.${host}` };
  return [process.execPath, "test/floods/flood.ts", JSON.stringify({ port, kind, ms, connections: 2, ca, ...from })];
};
/** Processes that keep so many cores busy. */
const burnCommands = (cores: number, ms: number) => {
  const count = Math.max(1, Math.ceil(cores));
  const rest = BURN_MS * (count / cores - 1);
  const code = `const until = performance.now() + ${ms}; while (performance.now() < until) {
    const t = performance.now(); while (performance.now() - t < ${BURN_MS}); await Bun.sleep(${rest}); }`;
  return Array.from({ length: count }, () => [process.execPath, "-e", code]);
};

/** CPU that a process has taken, in milliseconds. */
const cpuMs = (pid: number) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10; // USER_HZ
};

/**
 * p99 in milliseconds of the other client's calls, made until the commands end; how many cores they and the server kept
 * busy; and the most memory that the server had.
 */
async function p99Beside(
  ...commands: string[][]
): Promise<{ p99: number; cores: number; peakMib: number; said: string }> {
  const before = cpuMs(server.pid);
  const started = performance.now();
  const children = commands.map((command) => Bun.spawn(command, { stdout: "pipe", stderr: "inherit" }));
  let over = false;
  void Promise.all(children.map(({ exited }) => exited)).then(() => {
    over = true;
  });
  const took: number[] = [];
  let peakMib = 0;
  while (!over) {
    const begun = performance.now();
    await ask();
    took.push(performance.now() - begun);
    if (took.length % 100 === 0) peakMib = Math.max(peakMib, residentMib(server.pid));
    await Bun.sleep(ASK_EVERY_MS);
  }
  const ms = performance.now() - started;
  const own = children.map((child) => Number(child.resourceUsage()!.cpuTime.total) / 1000);
  const cores = (cpuMs(server.pid) - before + own.reduce((sum, each) => sum + each, 0)) / ms;
  took.sort((a, b) => a - b);
  const said = (await new Response(children[0]!.stdout).text()).trim();
  return { p99: took[Math.floor(took.length * 0.99)]!, cores, peakMib, said };
}

const descriptors = ({ pid }: Processor) => readdirSync(`/proc/${pid}/fd`).length;

for (const [host, kind] of kinds.entries()) await p99Beside(floodCommand(kind, WARM_MS, host + 101)); // all code has run
for (const [host, kind] of kinds.entries()) {
  const before = { mib: residentMib(server.pid), descriptors: descriptors(server) };
  const flooded = await p99Beside(floodCommand(kind, floodMs, host + 1));
  await Bun.sleep(SETTLE_MS);
  const grown = () => residentMib(server.pid) - before.mib;
  const isBack = await until(() => grown() < GROWN_MIB_MAX, "memory", COLLECTED_MS).catch(() => false);
  const grownMib = grown();
  const left = await until(() => descriptors(server) <= before.descriptors, "descriptors", SETTLE_MS).catch(
    () => false,
  );
  const alone = await p99Beside(...burnCommands(flooded.cores, floodMs / 2));
  const isCalm = flooded.p99 <= Math.max(P99_MS_FLOOR, P99_FACTOR_MAX * alone.p99);
  const passed = isCalm && isBack !== false && left !== false;
  if (!passed) failures++;
  console.log(
    `${passed ? "ok    " : "FAILED"} ${kind}: p99 ${flooded.p99.toFixed(1)} ms beside the flood, ${alone.p99.toFixed(1)} ms beside ${flooded.cores.toFixed(2)} busy cores; ` +
      `${grownMib.toFixed(0)} MiB grown (${(flooded.peakMib - before.mib).toFixed(0)} meanwhile), ${descriptors(server) - before.descriptors} descriptors left; ${flooded.said}`,
  );
}
control.close();
flight.close();
certificates?.remove();
await server.stop();
console.log(`${failures} floods did harm`);
process.exit(failures === 0 ? 0 : 1);
