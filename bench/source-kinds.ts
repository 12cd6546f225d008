/**
 * The same ledgers from every kind of source, into nothing and into the decoder: ledgers a second, and this process's CPU.
 *
 *     bun bench/source-kinds.ts [--ledgers 300] [--rounds 3]
 *
 * Real ledgers of 445 kB on average, over and over. Stores, servers and writers are processes of their own, on loopback;
 * the reader is this one. All kinds take turns; medians of the rounds, and the ratio to the folder of the same round.
 */
import { parseArgs } from "node:util";
import { splitBatch } from "../src/ledger/batch.ts";
import { LedgerDecoder } from "../src/ledger/decoder.ts";
import { RowSet } from "../src/ledger/row-set.ts";
import { Inflater } from "../src/sources/file/inflate.ts";
import { Lake } from "../src/sources/lake/lake.ts";
import { BATCH_BYTES_MAX } from "../src/sources/limits.ts";
import { MetaSource } from "../src/sources/meta/meta-source.ts";
import { PipeFeed } from "../src/sources/meta/pipe-feed.ts";
import { parseS3Address } from "../src/sources/object-store/s3-address.ts";
import { S3Storage } from "../src/sources/object-store/s3-storage.ts";
import { parseWebAddress } from "../src/sources/object-store/web-address.ts";
import { WebStorage } from "../src/sources/object-store/web-storage.ts";
import { RawLedgerSource } from "../src/sources/raw-ledger/raw-ledger-grpc.ts";
import { RpcSource } from "../src/sources/rpc/rpc-source.ts";
import type { LedgerObject, LedgerSource } from "../src/sources/source.ts";
import { storeServer } from "../test/clients/toolchain.ts";
import { LakeOf, REAL_FIRST, RecordFile, realLedgers } from "../test/sources/join/join-parts.ts";
import { Fifo, record } from "../test/sources/meta/meta-fixture.ts";
import { GoSource } from "../test/support/go-source.ts";
import { PUBNET } from "../test/support/networks.ts";
import { ObjectStore, PUBLIC } from "../test/support/object-store.ts";
import { Report } from "./support/report.ts";
import { median } from "./support/result.ts";

const { values } = parseArgs({
  options: { ledgers: { type: "string", default: "300" }, rounds: { type: "string", default: "3" } },
});
const [count, rounds] = [Number(values.ledgers), Number(values.rounds)];
const LAST = REAL_FIRST + count - 1;
const WINDOW_BYTES = 32 << 20;

const report = new Report("source-kinds");
const program = await storeServer();
if (program.command === undefined) throw new Error(program.missing);
const ledgers = await realLedgers(count);
using lake = new LakeOf(ledgers).add(REAL_FIRST, LAST);
using records = new RecordFile(ledgers.values());
using fifo = new Fifo();
const stream = Buffer.concat([...ledgers.values()].map(record));
const store = await ObjectStore.start(program.command[0]!);
await store.putFolder(lake.folder, `${PUBLIC}/lake`);
using raw = await GoSource.start(["-records", records.path, "-first", String(REAL_FIRST)]);
if (raw === undefined) throw new Error("the raw-ledger service needs Go");
const rpc = Bun.spawn([process.execPath, `${import.meta.dir}/support/rpc-process.ts`, lake.folder], { stdout: "pipe" });
const rpcUrl = new TextDecoder().decode((await rpc.stdout.getReader().read()).value).trim();

const KINDS = {
  "a folder": () => Lake.open(lake.folder),
  "a bucket": () =>
    Lake.at(new S3Storage(parseS3Address(`s3://${PUBLIC}/lake?unsigned=true&endpoint=${store.endpoint}`, {}))),
  "a web server": () => Lake.at(new WebStorage(parseWebAddress(`${store.endpoint}/${PUBLIC}/lake`))),
  "an RPC server": async () => new RpcSource(rpcUrl),
  "a raw-ledger service": async () => new RawLedgerSource(raw.address),
  "a meta stream": async () => {
    const source = new MetaSource(new PipeFeed(fifo.path), WINDOW_BYTES);
    fifo.write(stream);
    return source;
  },
} as const satisfies Record<string, () => Promise<LedgerSource>>;

/** Rows of one pass. */
function decoder(): (object: LedgerObject) => number {
  const decode = new LedgerDecoder({ networkPassphrase: PUBNET, compat: "default" });
  const rows = new RowSet();
  const inflater = new Inflater(BATCH_BYTES_MAX);
  return ({ name, bytes, encoding, container }) => {
    const xdr = encoding === "zstd" ? inflater.inflate(name, bytes, "zstd") : bytes;
    rows.clear();
    for (const ledger of container === "batch" ? splitBatch(xdr) : [{ bytes: xdr }]) decode.decode(ledger.bytes, rows);
    return rows.length;
  };
}

const SINKS = { nothing: () => () => 0, "the decoder": decoder };
const results = new Map<string, { rates: number[]; cpus: number[] }>();
let rowsWanted: number | undefined;
for (let round = 0; round < rounds; round++) {
  for (const [sink, make] of Object.entries(SINKS)) {
    for (const [kind, open] of Object.entries(KINDS)) {
      const [take, source] = [make(), await open()];
      const [cpu, begun] = [process.cpuUsage(), performance.now()];
      let [seen, rows] = [0, 0];
      for await (const object of source.read(REAL_FIRST, LAST, new AbortController().signal)) {
        seen += 1;
        rows += take(object);
      }
      const seconds = (performance.now() - begun) / 1000;
      const { user, system } = process.cpuUsage(cpu);
      await source.close();
      if (sink === "the decoder") rowsWanted ??= rows;
      if (seen !== count || (sink === "the decoder" && rows !== rowsWanted))
        throw new Error(`${kind}: ${seen} ledgers, ${rows} rows of ${rowsWanted}`);
      const key = `${kind} into ${sink}`;
      const { rates, cpus } = results.get(key) ?? { rates: [], cpus: [] };
      rates.push(count / seconds);
      cpus.push((user + system) / 1000 / count);
      results.set(key, { rates, cpus });
    }
  }
}
for (const [key, { rates, cpus }] of results) {
  const [kind, sink] = key.split(" into ") as [keyof typeof KINDS, keyof typeof SINKS];
  const folder = results.get(`a folder into ${sink}`)!;
  const ratios = rates.map((rate, round) => rate / folder.rates[round]!);
  const ratio = median(ratios);
  if (sink === "nothing" && kind !== "a folder") report.figure(kind, ratios);
  console.log(
    `${key.padEnd(38)} ${median(rates).toFixed(0).padStart(6)} ledgers/s  ${median(cpus).toFixed(2)} ms of CPU a ledger  ${ratio.toFixed(2)} of the folder`,
  );
}
rpc.kill();
await store.stop();
process.exit(report.finish());
