/**
 * Sessions that wait at the tip of a lake of real size, and what they cost.
 *
 *     bun bench/tip.ts [--files 64000] [--sessions 64] [--seconds 60]
 *
 * One server in this process. Prints how long the lake took to make, the process's CPU as a share of one core before
 * and while the sessions wait, resident memory, /livez, and how long a new file takes until every session has it.
 * Ends with MISSED and exit status 1 where the last round is over a target below.
 */
import { linkSync } from "node:fs";
import { parseArgs } from "node:util";
import { Lake } from "../src/sources/lake/lake.ts";
import { TemporaryLake } from "../test/sources/lake-fixture.ts";
import { localServer } from "../test/support/local-server.ts";
import { until } from "../test/support/until.ts";
import { Report } from "./support/report.ts";

const { values } = parseArgs({
  options: {
    files: { type: "string", default: "64000" },
    sessions: { type: "string", default: "64" },
    seconds: { type: "string", default: "60" },
  },
});
const [files, sessions, seconds] = [Number(values.files), Number(values.sessions), Number(values.seconds)];
const LEDGER_MS = 5_000; // the network's pace
const LIVEZ_MS = 1_000; // as often as a hasty probe; each costs the client in this process as much as the server
const FIRST = 64_000;
/** Links of one file: a file system allows 65,000 or fewer to one. */
const LINKS_MAX = 30_000;

const report = new Report("tip");
const begun = performance.now();
using lake = new TemporaryLake({ ledgersPerBatch: 1, batchesPerPartition: 64_000, extension: "zst" });
let last = FIRST + files - 200; // the rest of the partition comes while it is measured
for (let ledger = FIRST; ledger < last; ledger++) {
  const whole = FIRST + Math.floor((ledger - FIRST) / LINKS_MAX) * LINKS_MAX;
  if (ledger === whole) lake.put(ledger);
  else linkSync(lake.pathOf(whole), lake.pathOf(ledger));
}
lake.put(last);
console.log(`${files - 200} files made in ${((performance.now() - begun) / 1000).toFixed(1)} s`);

const source = await Lake.open(lake.folder);
const server = await localServer(source, { "network-passphrase": "test", "sessions-max": String(sessions) });
const ids: string[] = [];
const all = () => ids.every((id) => server.processor.sessions.get(id).ledgerCurrent >= last);

interface Round {
  /** Of one core. */
  cpuPercent: number;
  residentMiB: number;
  /** Longest time until every session had a new file; 0 where none came. */
  noticedMsMax: number;
}

/** Measures for `seconds`, and prints it, with the median and greatest time of /livez. */
async function watch(what: string, withLedgers: boolean): Promise<Round> {
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  const [livez, noticed]: [number[], number[]] = [[], []];
  for (let nextMs = LEDGER_MS; performance.now() - wall < seconds * 1000; ) {
    const asked = performance.now();
    await (await fetch(`http://127.0.0.1:${server.processor.addresses.http.port}/livez`)).text();
    livez.push(performance.now() - asked);
    if (withLedgers && performance.now() - wall >= nextMs) {
      nextMs += LEDGER_MS;
      lake.put(++last);
      const put = performance.now();
      await until(all, "every session has the new file");
      noticed.push(performance.now() - put);
    }
    await Bun.sleep(LIVEZ_MS);
  }
  const { user, system } = process.cpuUsage(cpu);
  const cpuPercent = (user + system) / 10 / (performance.now() - wall);
  const residentMiB = process.memoryUsage().rss / (1 << 20);
  const noticedMsMax = Math.max(0, ...noticed);
  const sorted = livez.toSorted((a, b) => a - b);
  const line = `${what}: ${cpuPercent.toFixed(2)} % of a core, resident ${residentMiB.toFixed(0)} MiB, /livez median ${sorted[sorted.length >> 1]!.toFixed(1)} ms, greatest ${sorted.at(-1)!.toFixed(1)} ms`;
  console.log(withLedgers ? `${line}, a new file in all sessions after at most ${noticedMsMax.toFixed(0)} ms` : line);
  return { cpuPercent, residentMiB, noticedMsMax };
}

await watch("no session", false);
for (let count = 0; count < sessions; count++) {
  ids.push((await server.control.startProcessing({ startLedger: last })).sessionId);
}
await until(all, "all are at the tip");
const rounds: Round[] = [];
for (let round = 1; round <= 3; round++) rounds.push(await watch(`${sessions} sessions, round ${round}`, true));
console.log(`${source.follower.listings} listings in all`);
await server.close();
const [, before, after] = rounds as [Round, Round, Round];
// The third round is judged: the first compiles, and of the second collections may be due still.
report.figure("64 sessions at the tip, CPU", [after.cpuPercent]);
report.figure("64 sessions at the tip, a new file", [after.noticedMsMax]);
report.figure("64 sessions at the tip, growth", [after.residentMiB - before.residentMiB]);
process.exitCode = report.finish();
