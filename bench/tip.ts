/**
 * Sessions that wait at the tip of a lake of real size, and what they cost.
 *
 *     bun bench/tip.ts [--files 64000] [--sessions 64] [--seconds 60]
 *
 * One server in this process. Prints how long the lake took to make, the process's CPU as a share of one core before
 * and while the sessions wait, resident memory, /livez, and how long a new file takes until every session has it.
 */
import { linkSync } from "node:fs";
import { parseArgs } from "node:util";
import { LocalLake } from "../src/sources/lake/local-lake.ts";
import { TemporaryLake } from "../test/sources/lake-fixture.ts";
import { localServer, until } from "../test/support/local-server.ts";

const { values } = parseArgs({
  options: {
    files: { type: "string", default: "64000" },
    sessions: { type: "string", default: "64" },
    seconds: { type: "string", default: "60" },
  },
});
const [files, sessions, seconds] = [Number(values.files), Number(values.sessions), Number(values.seconds)];
const LEDGER_MS = 5_000; // the network's pace
const FIRST = 64_000;
/** Links of one file: a file system allows 65,000 or fewer to one. */
const LINKS_MAX = 30_000;

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

const source = await LocalLake.open(lake.folder);
const server = await localServer(source, { "network-passphrase": "test", "sessions-max": String(sessions) });
const ids: string[] = [];
const all = () => ids.every((id) => server.processor.sessions.get(id).ledgerCurrent >= last);

/** One share of a core, in per cent, and the median and greatest time of /livez in ms. */
async function watch(what: string, withLedgers: boolean): Promise<void> {
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
    await Bun.sleep(250);
  }
  const { user, system } = process.cpuUsage(cpu);
  const share = ((user + system) / 10 / (performance.now() - wall)).toFixed(2);
  const [sorted, rss] = [livez.toSorted((a, b) => a - b), (process.memoryUsage().rss / (1 << 20)).toFixed(0)];
  const line = `${what}: ${share} % of a core, resident ${rss} MiB, /livez median ${sorted[sorted.length >> 1]!.toFixed(1)} ms, greatest ${sorted.at(-1)!.toFixed(1)} ms`;
  console.log(
    withLedgers ? `${line}, a new file in all sessions after at most ${Math.max(...noticed).toFixed(0)} ms` : line,
  );
}

await watch("no session", false);
for (let count = 0; count < sessions; count++) {
  ids.push((await server.control.startProcessing({ startLedger: last })).sessionId);
}
await until(all, "all are at the tip");
for (let round = 1; round <= 3; round++) await watch(`${sessions} sessions, round ${round}`, true);
console.log(`${source.follower.listings} listings in all`);
await server.close();
