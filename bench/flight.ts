/**
 * `make bench-flight`: DoGet throughput and server CPU, ours beside arrow-go's server and pyarrow's C++ server, in one
 * run, with pyarrow's and Go's clients at their defaults.
 *
 *   bun bench/flight.ts [--bytes 1000000000] [--rounds 3] [--tls]
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { goClient, pythonClient, pythonInterpreter, runClient } from "../test/clients/toolchain.ts";
import { Certificates } from "../test/support/certificates.ts";
import { cpuSeconds } from "./support/process-cpu.ts";
import { Report } from "./support/report.ts";

const BODIES = [64 << 10, 1 << 20, 2 << 20];
const ROOT = join(import.meta.dir, "..");
const HERE = join(import.meta.dir, "flight");

const { values } = parseArgs({
  options: {
    bytes: { type: "string", default: "1000000000" },
    rounds: { type: "string", default: "3" },
    tls: { type: "boolean", default: false },
  },
});
const bytes = Number(values.bytes);

interface Measured {
  server: string;
  client: string;
  body: number;
  mbPerSecond: number;
  cpuPerGb: number;
}

async function serve(command: string[]): Promise<{ pid: number; port: string; stop(): Promise<unknown> }> {
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit", cwd: ROOT });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const stop = () => {
    child.kill("SIGKILL");
    return child.exited;
  };
  return { pid: child.pid, port: new TextDecoder().decode(value).trim(), stop };
}

const report = new Report(values.tls ? "flight-tls" : "flight");
const certificates = values.tls ? new Certificates() : undefined;
const own = certificates?.issue("server");
const serverFiles = own === undefined ? [] : [own.cert, own.key];
const clientFlags = certificates === undefined ? [] : ["-ca", certificates.ca.cert];

const clients = { pyarrow: await pythonClient(), go: await goClient() };
const python = await pythonInterpreter();
const binary = join(ROOT, ".cache", "bin", "flightserver");
const built = Bun.spawnSync(["go", "build", "-trimpath", "-o", binary, "."], {
  cwd: join(HERE, "go"),
  stderr: "inherit",
});
const servers: Record<string, string[]> = { ours: [process.execPath, join(HERE, "server.ts")] };
if (built.exitCode === 0) servers["arrow-go"] = [binary];
if (python.command !== undefined) servers["pyarrow C++"] = [...python.command, join(HERE, "server.py")];

const best = new Map<string, Measured>();
/** Server CPU seconds a gigabyte of every round. */
const cpus = new Map<string, number[]>();
// Rounds from outside, so that a busy minute of the machine meets all servers alike.
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [server, command] of Object.entries(servers)) {
    const { pid, port, stop } = await serve([...command, ...serverFiles]);
    for (const [client, { command: run }] of Object.entries(clients)) {
      if (run === undefined) continue;
      for (const body of BODIES) {
        const batches = Math.ceil(bytes / body);
        const before = cpuSeconds(pid);
        const args = [
          "get",
          "-addr",
          `127.0.0.1:${port}`,
          "-ticket",
          `${body}:${batches}`,
          "-max-seconds",
          "120",
          ...clientFlags,
        ];
        const { results } = await runClient({ command: run }, args);
        const result = results[0]!;
        if (result.error !== undefined || result.batches !== batches) throw new Error(JSON.stringify(result));
        const gb = (body * batches) / 1e9;
        const cpuPerGb = (cpuSeconds(pid) - before) / gb;
        const mbPerSecond = (gb * 1000) / result.seconds;
        const key = `${server} ${client} ${body}`;
        cpus.set(key, [...(cpus.get(key) ?? []), cpuPerGb]);
        const known = best.get(key);
        // the least disturbed of the rounds, each figure by itself
        best.set(key, {
          server,
          client,
          body,
          mbPerSecond: Math.max(mbPerSecond, known?.mbPerSecond ?? 0),
          cpuPerGb: Math.min(cpuPerGb, known?.cpuPerGb ?? Number.POSITIVE_INFINITY),
        });
      }
    }
    await stop();
  }
}

certificates?.remove();
console.log(
  `best of ${values.rounds} rounds of ${(bytes / 1e9).toFixed(1)} GB, fresh connections, all work-arounds on${values.tls ? ", TLS" : ""}`,
);
console.log("body     client   server        MB/s   server CPU s/GB   CPU against ours");
for (const body of BODIES) {
  for (const client of Object.keys(clients)) {
    const ours = best.get(`ours ${client} ${body}`);
    for (const server of Object.keys(servers)) {
      const measured = best.get(`${server} ${client} ${body}`);
      if (measured === undefined || ours === undefined) continue;
      const ratio = (measured.cpuPerGb / ours.cpuPerGb).toFixed(2);
      console.log(
        `${`${body >> 10} KiB`.padEnd(9)}${client.padEnd(9)}${server.padEnd(12)}${measured.mbPerSecond.toFixed(0).padStart(6)}   ${measured.cpuPerGb.toFixed(2).padStart(15)}   ${ratio.padStart(16)}`,
      );
    }
  }
}
for (const body of [64, 1024, 2048] as const) {
  for (const client of ["pyarrow", "go"] as const) {
    const ours = cpus.get(`ours ${client} ${body << 10}`) ?? [];
    const theirs = cpus.get(`arrow-go ${client} ${body << 10}`) ?? [];
    const size = body === 64 ? "64 KiB" : body === 1024 ? "1 MiB" : "2 MiB";
    report.figure(
      `${size} to ${client === "go" ? "Go" : client}`,
      theirs.map((cpu, round) => cpu / ours[round]!),
    );
  }
}
process.exitCode = report.finish();
