/**
 * Lakes from a folder, a bucket and a web server, into nothing: files a second and CPU a file, beside a bare loop of GETs.
 *
 *     bun bench/sources.ts [--files 1500] [--rounds 5] [--delay 40]
 *
 * The store is SeaweedFS on loopback (from the tests' tools). Every way reads the same files, in turns; medians of the
 * rounds, and the ratio to the bare loop of the same round. With a delay each request waits so many ms on its way. Ends with
 * MISSED and exit status 1 where a target is missed.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { AwsClient } from "aws4fetch";
import { Lake } from "../src/sources/lake/lake.ts";
import { lakeKey } from "../src/sources/lake/lake-layout.ts";
import { parseS3Address } from "../src/sources/object-store/s3-address.ts";
import { CachedCredentials } from "../src/sources/object-store/s3-credentials.ts";
import { S3Storage } from "../src/sources/object-store/s3-storage.ts";
import { parseWebAddress } from "../src/sources/object-store/web-address.ts";
import { WebStorage } from "../src/sources/object-store/web-storage.ts";
import { storeServer } from "../test/clients/toolchain.ts";
import { TemporaryLake } from "../test/sources/lake-fixture.ts";
import { KEY, ObjectStore, PRIVATE, PUBLIC } from "../test/support/object-store.ts";
import { ROOT } from "../test/support/processor.ts";
import { Report } from "./support/report.ts";
import { median } from "./support/result.ts";
import type { FIGURES } from "./targets.ts";

const { values } = parseArgs({
  options: {
    files: { type: "string", default: "1500" },
    rounds: { type: "string", default: "5" },
    delay: { type: "string", default: "40" },
  },
});
const [files, rounds, delayMs] = [Number(values.files), Number(values.rounds), Number(values.delay)];
const FIRST = 64_000;
const LAST = FIRST + files - 1;
const LAYOUT = { ledgersPerBatch: 1, batchesPerPartition: 64_000, extension: "zst" } as const;
const PARALLEL = 32; // GETs of a bare loop: more are no faster

const DENSE = readFileSync(join(ROOT, "sample/lake/FC7F83FF--58752000-58815999/FC7F83FF--58752000.xdr.zst"));

const report = new Report("sources");
const program = await storeServer();
if (program.command === undefined) throw new Error(program.missing);
const store = await ObjectStore.start(program.command[0]!);
using folder = new TemporaryLake(LAYOUT);
for (let ledger = FIRST; ledger <= LAST; ledger++) folder.write(lakeKey(LAYOUT, ledger), DENSE);
for (const bucket of [PRIVATE, PUBLIC]) await store.putFolder(folder.folder, `${bucket}/lake`);
const proxy = Bun.spawn(
  [process.execPath, join(ROOT, "bench/support/delay-proxy.ts"), new URL(store.endpoint).port, String(delayMs)],
  { stdout: "pipe" },
);
const delayed = `http://127.0.0.1:${new TextDecoder().decode((await proxy.stdout.getReader().read()).value).trim()}`;

const aws = new AwsClient({ ...KEY, service: "s3", region: "us-east-1", retries: 0 });

async function bare(endpoint: string, name = PUBLIC, get: (url: string) => Promise<Response> = fetch): Promise<void> {
  let next = FIRST;
  const one = async () => {
    for (let ledger = next++; ledger <= LAST; ledger = next++) {
      const answer = await get(`${endpoint}/${name}/lake/${lakeKey(LAYOUT, ledger)}`);
      if ((await answer.bytes()).length !== DENSE.length) throw new Error(`${answer.status}`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, one));
}

async function drained(lake: Lake | undefined): Promise<void> {
  if (lake === undefined) throw new Error("no lake was opened");
  let seen = 0;
  for await (const _ of lake.read(FIRST, LAST, new AbortController().signal)) seen += 1;
  if (seen !== files) throw new Error(`${seen} of ${files} files`);
  await lake.close();
}

function bucket(endpoint: string, name: string, unsigned: string): Promise<Lake> {
  const address = parseS3Address(`s3://${name}/lake`, { AWS_ENDPOINT_URL_S3: endpoint, AWS_NO_SIGN_REQUEST: unsigned });
  return Lake.at(new S3Storage(address, {}, new CachedCredentials(async () => KEY)));
}

/** A public bucket is a plain web server to who does not list. */
function web(endpoint: string): Promise<Lake> {
  return Lake.at(new WebStorage(parseWebAddress(`${endpoint}/${PUBLIC}/lake`)));
}

interface Way {
  /** Before the time runs: finding out what a lake is takes a few requests, once. */
  open?: () => Promise<Lake>;
  run: (lake: Lake | undefined) => Promise<void>;
  against?: string;
  figure?: keyof (typeof FIGURES)["sources"];
}

const WAYS: Record<string, Way> = {
  "bare GETs": { run: () => bare(store.endpoint) },
  "a folder": { open: () => Lake.open(folder.folder), run: drained, against: "bare GETs", figure: "a folder" },
  "a public bucket": {
    open: () => bucket(store.endpoint, PUBLIC, "true"),
    run: drained,
    against: "bare GETs",
    figure: "a public bucket",
  },
  "a web server": { open: () => web(store.endpoint), run: drained, against: "bare GETs", figure: "a web server" },
  "signed bare GETs": { run: () => bare(store.endpoint, PRIVATE, (url) => aws.fetch(url)), against: "bare GETs" },
  "a private bucket": {
    open: () => bucket(store.endpoint, PRIVATE, "false"),
    run: drained,
    against: "signed bare GETs",
    figure: "a private bucket",
  },
  [`bare GETs, ${delayMs} ms away`]: { run: () => bare(delayed) },
  [`a public bucket, ${delayMs} ms away`]: {
    open: () => bucket(delayed, PUBLIC, "true"),
    run: drained,
    against: `bare GETs, ${delayMs} ms away`,
    figure: "a public bucket, far away",
  },
  [`a web server, ${delayMs} ms away`]: {
    open: () => web(delayed),
    run: drained,
    against: `bare GETs, ${delayMs} ms away`,
    figure: "a web server, far away",
  },
};

const rates = new Map(Object.keys(WAYS).map((name) => [name, [] as number[]]));
const cpus = new Map(Object.keys(WAYS).map((name) => [name, [] as number[]]));
for (let round = 0; round < rounds; round++) {
  for (const [name, { open, run }] of Object.entries(WAYS)) {
    const lake = await open?.();
    const [cpu, begun] = [process.cpuUsage(), performance.now()];
    await run(lake);
    const { user, system } = process.cpuUsage(cpu);
    rates.get(name)!.push(files / ((performance.now() - begun) / 1000));
    cpus.get(name)!.push((user + system) / 1000 / files);
  }
}
for (const [name, { against, figure }] of Object.entries(WAYS)) {
  const own = rates.get(name)!;
  const ratios = own.map((rate, round) => rate / rates.get(against ?? name)![round]!);
  console.log(
    `${name.padEnd(30)} ${median(own).toFixed(0).padStart(6)} files/s  ${median(cpus.get(name)!).toFixed(2)} ms of CPU a file  ${median(ratios).toFixed(2)} of ${against ?? name}`,
  );
  if (figure !== undefined) report.figure(figure, ratios);
}
proxy.kill();
await store.stop();
process.exitCode = report.finish();
