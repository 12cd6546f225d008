/**
 * A long back-fill by many workers, with workers, NATS and JetStream's store killed, frozen and wiped at random instants all the
 * time, beside the same by one worker alone: the bytes have to be the same. A trouble comes once chunks have been done since the
 * last one, so that a slow machine gets as many of them as a fast one.
 *
 *   bun test/backfill/kill-soak.ts [--ledgers 20000] [--chunk 250] [--workers 4] [--lake FOLDER] [--folder FOLDER] [--seed N]
 *
 * --folder keeps what is written, and how many troubles there were: the same command goes on there.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { ledgersOf, PUBNET } from "../../bench/support/ledgers.ts";
import { KEYS } from "../../src/export/settings.ts";
import { NatsServer, nats } from "../cluster/nats-server.ts";
import { run } from "../export/support.ts";
import { SAMPLE } from "../support/processor.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { RepeatedLake } from "../support/repeated-lake.ts";
import { sharedFolder } from "../support/shared.ts";
import { backfill, spawnWorker } from "./support.ts";

const FIRST = 60_000_000;
const LEASE_MS = 3_000;
const CHUNKS_MAX = 2; // done between two troubles
const LOOK_MS = 100;
const PHASE_MS_MAX = 2_000; // from a chunk's end to a trouble: some part of a chunk
const AWAY_MS_MAX = 6_000; // twice a lease

const { values } = parseArgs({
  options: {
    ledgers: { type: "string", default: "20000" },
    chunk: { type: "string", default: "250" },
    workers: { type: "string", default: "4" },
    lake: { type: "string", default: sharedFolder("ledgers/lake") ?? SAMPLE.folder },
    folder: { type: "string" },
    seed: { type: "string", default: String(seedOf()) },
  },
});
const count = Number(values.ledgers);
const random = randomFrom(Number(values.seed));
const folder = values.folder ?? mkdtempSync(join(tmpdir(), "backfill-soak-"));
const [alone, together] = [join(folder, "alone"), join(folder, "together")];
using lake = new RepeatedLake(ledgersOf(values.lake), PUBNET, FIRST, count);
console.log(`seed ${values.seed}: ${count} ledgers of ${values.lake} in chunks of ${values.chunk}, in ${folder}`);

async function begin(to: string): Promise<void> {
  const range = ["--start-ledger", String(FIRST), "--end-ledger", String(FIRST + count - 1)];
  const job = ["--chunk-ledgers", values.chunk, "--lease", `${LEASE_MS}ms`, "--tries", "20"];
  const { code, err } = await backfill("start", to, "--source", lake.source(), ...range, ...job);
  if (code !== 0) throw new Error(err);
}

/** Every file's sha256 by its path, without those of jobs. */
function sumsOf(place: string): Map<string, string> {
  const files = readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => relative(place, join(entry.parentPath, entry.name)))
    .filter((path) => !path.startsWith(join("_export", "jobs")));
  const sum = (path: string) =>
    createHash("sha256")
      .update(readFileSync(join(place, path)))
      .digest("hex");
  return new Map(files.sort().map((path) => [path, sum(path)]));
}

await begin(alone);
const begun = performance.now();
const code = await spawnWorker(alone, lake.source()).exited;
console.log(`one worker: exit code ${code}, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
if (code !== 0) process.exit(1);

await begin(together);
const server = nats.missing === undefined ? await NatsServer.start() : undefined;
const env: Record<string, string> = server === undefined ? {} : { CLUSTER: server.url };
const manifests = join(together, KEYS.chunks);
const work = () => spawnWorker(together, lake.source(), env);
const workers = Array.from({ length: Number(values.workers) }, work);
const kept = join(folder, "counts.json");
const counts = existsSync(kept)
  ? JSON.parse(readFileSync(kept, "utf8"))
  : { killed: 0, frozen: 0, natsKilled: 0, natsWiped: 0 };
const ended = join(together, "_export", "jobs", "000001", "ended.json");
const chunksDone = () => (existsSync(manifests) ? readdirSync(manifests).length : 0);
const some = (most: number): Promise<void> => Bun.sleep(random() * most);

/** One trouble; what was taken away comes back. */
async function trouble(): Promise<void> {
  const at = Math.floor(random() * workers.length);
  const dice = random();
  if (dice < 0.5 || server === undefined) {
    workers[at]!.kill("SIGKILL");
    await workers[at]!.exited;
    counts.killed += 1;
    await some(AWAY_MS_MAX / 3);
    workers[at] = work();
  } else if (dice < 0.7) {
    workers[at]!.kill("SIGSTOP"); // longer than a lease: others do its chunk, and so does it
    counts.frozen += 1;
    await some(AWAY_MS_MAX);
    workers[at]!.kill("SIGCONT");
  } else {
    const isWiped = dice < 0.85;
    await (isWiped ? server.wipe() : server.kill());
    counts[isWiped ? "natsWiped" : "natsKilled"] += 1;
    await some(AWAY_MS_MAX);
    await server.restart();
  }
}

for (let next = chunksDone(); !existsSync(ended); await Bun.sleep(LOOK_MS)) {
  if (chunksDone() < next) continue;
  await some(PHASE_MS_MAX);
  if (existsSync(ended)) break;
  await trouble();
  writeFileSync(kept, JSON.stringify(counts));
  const there = chunksDone();
  console.log(`${there} chunks; ${JSON.stringify(counts)}`);
  next = there + 1 + Math.floor(random() * CHUNKS_MAX);
}
const codes = await Promise.all(workers.map(({ exited }) => exited));
await server?.stop();
const [ours, theirs] = [sumsOf(together), sumsOf(alone)];
const differing = [...new Set([...ours.keys(), ...theirs.keys()])].filter(
  (path) => ours.get(path) !== theirs.get(path),
);
const verified = await run("export", "verify", "--from", together);
console.log(`${values.workers} workers: exit codes ${codes.join(" ")}; ${JSON.stringify(counts)}`);
console.log(
  `${chunksDone()} chunks, ${ours.size} files, ${differing.length} differ${differing.map((path) => `\n  ${path}`).join("")}`,
);
console.log(verified.out.trim());
if (values.folder === undefined) rmSync(folder, { recursive: true, force: true });
const isWell = codes.every((each) => each === 0) && differing.length === 0 && verified.code === 0;
console.log(isWell ? "ok: the same bytes" : "FAILED");
process.exit(isWell ? 0 : 1);
