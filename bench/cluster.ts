/**
 * What several nodes cost, in CPU time, so that other load on the machine changes little (Linux):
 *
 *     bun bench/cluster.ts [--rounds 600] [--sessions 20] [--seconds 20] [--lease 10s]
 *
 * Reading: CPU of a node for each million rows, of ranges that each reader has for itself, and of a session that several read.
 * Leases: CPU of nodes and of NATS, and NATS's messages, for --sessions replicated sessions that nobody reads, beside none. Profile: the
 * share of leases and of NATS's client in the CPU of a node whose replicated session is read as fast as it goes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectControl } from "../src/control/client.ts";
import { FlightClient } from "../src/flight-client/client.ts";
import { NatsServer, nats } from "../test/cluster/nats-server.ts";
import { freePorts } from "../test/support/object-store.ts";
import { type Processor, SAMPLE, SOURCES, startProcessor } from "../test/support/processor.ts";
import { until } from "../test/support/until.ts";
import { readProfile, samplesWith } from "./support/cpu-profile.ts";
import { threadCpuSeconds } from "./support/thread-cpu.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "600" },
    sessions: { type: "string", default: "20" },
    seconds: { type: "string", default: "20" },
    lease: { type: "string", default: "10s" },
  },
});
const WARM_ROWS = 20_000; // until then much is compiled
/** Whose code is there for the cluster alone. */
const LEASES = /src\/cluster\/|@nats-io|src\/sessions\/(replica|replicas|session-elsewhere|lease-lost)\.ts/;
const LAST = SAMPLE.first + Number(values.rounds) * (SAMPLE.last - SAMPLE.first + 1) - 1;
if (nats.missing !== undefined) throw new Error(nats.missing);
const [monitor] = freePorts(1);
const server = await NatsServer.start(`http: "127.0.0.1:${monitor}"`);
const started: Processor[] = [];

async function startNode(source: string, command?: string[]): Promise<Processor> {
  const flags = [`--source-endpoint=${source}`, "--worker-count=1", "--log-level=warn", "--sessions-max=200"];
  const env = { CLUSTER: server.url, CLUSTER_LEASE: values.lease };
  const node = await startProcessor(flags, { command, env });
  started.push(node);
  return node;
}

const cpuOf = (pid: number): number => Object.values(threadCpuSeconds(pid)).reduce((sum, each) => sum + each, 0);

/** Reads a ticket to its end, or that many rows. */
async function read(node: Processor, ticket: object, rowsMax = Number.POSITIVE_INFINITY): Promise<number> {
  const client = new FlightClient(node.flight);
  let rows = 0;
  for await (const { table } of client.doGet(Buffer.from(JSON.stringify(ticket)))) {
    rows += table.numRows;
    if (rows >= rowsMax) break;
  }
  client.close();
  return rows;
}

/** CPU seconds of the node a million rows that its clients get. */
async function costOf(node: Processor, what: string, reads: () => Promise<number>[]): Promise<void> {
  const [before, begunMs] = [cpuOf(node.pid), performance.now()];
  const rows = (await Promise.all(reads())).reduce((sum, each) => sum + each, 0);
  const cpu = cpuOf(node.pid) - before;
  const seconds = (performance.now() - begunMs) / 1000;
  console.log(
    `${what}: ${((cpu * 1e6) / rows).toFixed(1)} s of CPU a million rows; ${rows} rows in ${seconds.toFixed(1)} s`,
  );
}

async function startSession(node: Processor, last = 0): Promise<string> {
  const control = connectControl(node.control);
  let id = "";
  const request = { startLedger: SAMPLE.first, endLedger: last, replicated: true, filters: { includeDeleted: true } };
  const start = async () => {
    id = await control.startProcessing(request).then(
      ({ sessionId }) => sessionId,
      () => "",
    );
    return id !== "";
  };
  await until(start, "NATS is there");
  control.close();
  return id;
}

async function reading(): Promise<void> {
  const node = await startNode(`repeat:${SAMPLE.folder}`);
  const range = { start_ledger: SAMPLE.first, end_ledger: LAST, filters: { include_deleted: true } };
  await read(node, { ...range, end_ledger: SAMPLE.first + 1000 }); // compiled
  await costOf(node, "a range, one reader", () => [read(node, range)]);
  await costOf(node, "ranges of 4 readers", () => Array.from({ length: 4 }, () => read(node, range)));
  for (const readers of [1, 4, 16]) {
    const id = await startSession(node, LAST);
    const ticket = { session: id, from: "start" };
    await costOf(node, `a replicated session, readers: ${readers}`, () =>
      Array.from({ length: readers }, () => read(node, ticket)),
    );
  }
  await node.stop();
}

interface Varz {
  in_msgs: number;
  in_bytes: number;
  mem: number;
}

async function leases(): Promise<void> {
  const seconds = Number(values.seconds);
  const nodes = await Promise.all([1, 2, 3].map(() => startNode(SAMPLE.folder)));
  const varz = async () => (await (await fetch(`http://127.0.0.1:${monitor}/varz`)).json()) as Varz;
  const measure = async (what: string) => {
    const cpu = () => [...nodes.map(({ pid }) => cpuOf(pid)), cpuOf(server.pid)];
    const [before, told] = [cpu(), await varz()];
    await Bun.sleep(seconds * 1000);
    const [after, now] = [cpu(), await varz()];
    const percent = after.map((each, index) => ((100 * (each - before[index]!)) / seconds).toFixed(1));
    const perSecond = (of: "in_msgs" | "in_bytes") => ((now[of] - told[of]) / seconds).toFixed(0);
    console.log(
      `${what}: percent of a core: nodes ${percent.slice(0, 3).join(", ")}, NATS ${percent[3]}; NATS gets ${perSecond("in_msgs")} messages and ${perSecond("in_bytes")} B a second, and has ${(now.mem / 2 ** 20).toFixed(0)} MiB`,
    );
  };
  await measure("3 nodes, no session");
  for (let count = 0; count < Number(values.sessions); count++) await startSession(nodes[0]!);
  await Bun.sleep(3000); // their ledgers are done
  await measure(`3 nodes, ${values.sessions} replicated sessions on one of them`);
  await Promise.all(nodes.map((node) => node.stop()));
}

/** How much of a node's CPU goes into leases while its session is read. */
async function leaseShare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bench-cluster-"));
  const [bun, main] = SOURCES as [string, string];
  const node = await startNode(`repeat:${SAMPLE.folder}`, [bun, "--cpu-prof", `--cpu-prof-dir=${folder}`, main]);
  const id = await startSession(node);
  await read(node, { session: id, from: "start" }, WARM_ROWS);
  const [before, begunMs] = [threadCpuSeconds(node.pid), performance.now()];
  const rows = await read(node, { session: id, from: "start" }, 2 * SAMPLE.rows * Number(values.rounds));
  const [after, endedMs] = [threadCpuSeconds(node.pid), performance.now()];
  await node.stop();
  const tailMs = performance.now() - endedMs;
  const profile = readProfile(folder);
  rmSync(folder, { recursive: true });
  const spent = (cpu: Record<string, number>) => Object.values(cpu).reduce((sum, each) => sum + each, 0);
  const mainPercent = (100 * (after.main! - before.main!)) / (spent(after) - spent(before));
  const within = { fromMs: tailMs + (endedMs - begunMs), untilMs: tailMs };
  const { busy, matching } = samplesWith(LEASES, profile, within);
  const percent = (mainPercent * matching) / busy;
  console.log(
    `a replicated session read as fast as it goes: ${rows} rows; ${matching} of ${busy} samples of the main thread, which has ${mainPercent.toFixed(1)} % of the CPU, are leases and NATS: ${percent.toFixed(2)} %`,
  );
}

try {
  await reading();
  await leases();
  await leaseShare();
} finally {
  for (const node of started) node.kill("SIGKILL");
  await server.stop();
}
process.exit(0);
