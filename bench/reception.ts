/**
 * `bun bench/reception.ts`: ledgers of 1.8 MB from a grpc-go source into nothing: CPU seconds a GB of our own call of
 * StreamRawLedgers, of grpc-js, and of a socket that is read and nothing else. They take turns, each in a process of its
 * own that lives for all rounds. Ends with MISSED and exit status 1 where the target is missed.
 *
 *   bun bench/reception.ts [--rounds 7] [--seconds 3] [--megabytes 1.8]
 */
import { parseArgs } from "node:util";
import { GoSource } from "../test/support/go-source.ts";
import { RECEIVERS, type Sample } from "./support/receivers.ts";
import { Report } from "./support/report.ts";
import { median } from "./support/result.ts";

const CHILD = new URL("./support/receivers.ts", import.meta.url).pathname;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "3" },
    megabytes: { type: "string", default: "1.8" },
  },
});
const source = await GoSource.start(["-size", String(Number(values.megabytes) * 1e6)]);
if (source === undefined) process.exit(0);

const report = new Report("reception");
const samples = new Map(Object.keys(RECEIVERS).map((name) => [name, [] as Sample[]]));
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [name, all] of samples) {
    const child = Bun.spawn([process.execPath, CHILD, name, source.address, values.seconds], { stdout: "pipe" });
    all.push(JSON.parse(await new Response(child.stdout).text()) as Sample);
  }
}
source[Symbol.dispose]();
const cpus = (name: string) => samples.get(name)!.map((one) => one.cpuSeconds / one.gigabytes);
const cpu = (name: string) => median(cpus(name));
for (const [name, all] of samples) {
  const rate = median(all.map((one) => (one.gigabytes * 1000) / one.seconds));
  const resident = median(all.map((one) => one.residentMb));
  const ratio = cpu(name) / cpu("grpc-js");
  console.log(
    `${name.padEnd(10)} ${cpu(name).toFixed(2)} CPU s/GB (${ratio.toFixed(2)} of grpc-js)  ${rate.toFixed(0).padStart(5)} MB/s  ${resident.toFixed(0).padStart(4)} MB resident`,
  );
}
report.figure("CPU a gigabyte", cpus("ours"));
report.figure(
  "CPU a gigabyte, compared",
  cpus("ours").map((own, round) => own / cpus("grpc-js")[round]!),
);
process.exitCode = report.finish();
