/**
 * Many workers of one back-fill: how much faster they are than one, and what it costs to share the chunks out.
 *
 *     bun bench/backfill.ts [--workers 8] [--chunks 6] [--megabytes 1.5] [--profiled 4]
 *
 * Scaling: each worker reads the lake through a proxy of its own that lets --megabytes a second through, so that all of them need
 * less than 1.2 cores, and does --chunks chunks of 50 ledgers. A worker's rate is that between its first chunk's begin and its last
 * chunk's end; the CPU is that of all workers meanwhile. Cost: a CPU profile of one worker that reads as fast as it can, --profiled chunks
 * of 1,000 ledgers; a sample counts where a function of the queue, of the leases or of the NATS client is on its stack. Chunks come by a
 * queue of JetStream. Ends with MISSED and exit status 1 where a target is missed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { backfill } from "../test/backfill/support.ts";
import { NatsServer, nats } from "../test/cluster/nats-server.ts";
import { ROOT } from "../test/support/processor.ts";
import { RepeatedLake } from "../test/support/repeated-lake.ts";
import { readProfile, samplesWith } from "./support/cpu-profile.ts";
import { denseLedgers, PUBNET } from "./support/ledgers.ts";
import { cpuSeconds } from "./support/process-cpu.ts";
import { Report } from "./support/report.ts";
import { SlowProxy } from "./support/slow-proxy.ts";

const FIRST = 60_000_000;
const CORES_MAX = 1.2;
const CHUNK = 50;
const CHUNK_PROFILED = 1_000; // a tenth of the default: sharing costs by the chunk
/** Whose code shares the chunks out; writing them is not there. */
const SHARING = /src\/(backfill|cluster)\/|@nats-io/;

const { values } = parseArgs({
  options: {
    workers: { type: "string", default: "8" },
    chunks: { type: "string", default: "6" },
    megabytes: { type: "string", default: "1.5" },
    profiled: { type: "string", default: "4" },
  },
});
const [workers, chunks, profiled] = [Number(values.workers), Number(values.chunks), Number(values.profiled)];
if (nats.missing !== undefined) throw new Error(nats.missing);
const folder = mkdtempSync(join(tmpdir(), "bench-backfill-"));
const ledgers = denseLedgers();
const count = Math.max(workers * chunks * CHUNK, profiled * CHUNK_PROFILED);
using lake = new RepeatedLake(ledgers, PUBNET, FIRST, count);
const server = await NatsServer.start();

interface Worker {
  child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  /** When its first chunk was begun, and its last one done (ms), and how many were. */
  begunMs: number;
  doneMs: number;
  done: number;
  ended: Promise<void>;
}

async function begin(to: string, chunk: number, size: number): Promise<void> {
  const range = ["--start-ledger", String(FIRST), "--end-ledger", String(FIRST + size - 1)];
  const { code, err } = await backfill(
    "start",
    to,
    "--source",
    lake.source(),
    ...range,
    "--chunk-ledgers",
    String(chunk),
  );
  if (code !== 0) throw new Error(err);
}

function work(to: string, source: string, flags: string[] = []): Worker {
  const main = [process.execPath, ...flags, join(ROOT, "src", "main.ts")];
  const child = Bun.spawn([...main, "worker", "--to", to, "--source", source], {
    ...{ cwd: ROOT, env: { ...process.env, CLUSTER: server.url } },
    ...{ stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  const worker: Worker = { child, begunMs: 0, doneMs: 0, done: 0, ended: Promise.resolve() };
  const read = async () => {
    let rest = "";
    for await (const bytes of child.stderr) {
      const lines = (rest + Buffer.from(bytes).toString()).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const { message } = JSON.parse(line) as { message: string };
        if (message === "chunk begun") worker.begunMs ||= performance.now();
        if (message !== "chunk done") continue;
        worker.done += 1;
        worker.doneMs = performance.now();
      }
    }
  };
  worker.ended = read();
  return worker;
}

/** So many workers, each through its own proxy, until each has done its chunks. */
async function rateOf(number: number): Promise<{ perSecond: number; cores: number }> {
  const to = join(folder, `of ${number}`);
  await begin(to, CHUNK, workers * chunks * CHUNK);
  const proxies = await Promise.all(
    Array.from({ length: number }, () => SlowProxy.start(lake.address, Number(values.megabytes) * 1e6)),
  );
  const all = proxies.map((proxy) => work(to, lake.source(proxy.address)));
  while (all.some(({ begunMs }) => begunMs === 0)) await Bun.sleep(10); // starting is not measured
  const [beganMs, cpuBefore] = [performance.now(), all.reduce((sum, each) => sum + cpuSeconds(each.child.pid), 0)];
  while (all.some(({ done }) => done < chunks - 1)) await Bun.sleep(10); // the last ones may find nothing left
  const cpu = all.reduce((sum, each) => sum + cpuSeconds(each.child.pid), 0) - cpuBefore;
  const cores = cpu / ((performance.now() - beganMs) / 1000);
  const perSecond = all.reduce((sum, { begunMs, doneMs, done }) => sum + (done * CHUNK * 1000) / (doneMs - begunMs), 0);
  for (const { child } of all) child.kill("SIGKILL");
  await Promise.all(all.map(({ ended }) => ended));
  for (const proxy of proxies) proxy[Symbol.dispose]();
  console.log(`${number} workers: ${perSecond.toFixed(1)} ledgers/s, ${cores.toFixed(2)} cores`);
  return { perSecond, cores };
}

/** Share of the samples with code on their stack that shares chunks out, in percent. */
async function sharePercent(): Promise<number> {
  const to = join(folder, "profiled");
  await begin(to, CHUNK_PROFILED, profiled * CHUNK_PROFILED);
  const profiles = join(folder, "profiles");
  const worker = work(to, lake.source(), ["--cpu-prof", `--cpu-prof-dir=${profiles}`]);
  await worker.child.exited;
  await worker.ended;
  const { busy, matching } = samplesWith(SHARING, readProfile(profiles));
  const rate = (worker.done * CHUNK_PROFILED * 1000) / (worker.doneMs - worker.begunMs);
  console.log(`profile: ${busy} samples, ${matching} of them sharing chunks out; ${rate.toFixed(0)} ledgers/s`);
  return (100 * matching) / busy;
}

const report = new Report("backfill");
try {
  const one = await rateOf(1);
  const many = await rateOf(workers);
  if (many.cores > CORES_MAX) console.log(`more than ${CORES_MAX} cores: lower --megabytes`);
  report.figure("8 workers", [many.perSecond / one.perSecond]);
  report.figure("8 workers, CPU", [many.cores]);
  report.figure("sharing chunks out", [await sharePercent()]);
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(report.finish());
