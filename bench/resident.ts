/**
 * `bun bench/resident.ts`: resident memory of the server while it streams the sample ledgers over and over, renumbered,
 * to a client that reads as fast as they come: it must not grow. Ends with 1 where the second half of the run stands higher
 * than the first by more than the tolerance.
 *
 *   bun bench/resident.ts [--ledgers 100000]
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as grpc from "@grpc/grpc-js";
import { connectControl } from "../src/control/client.ts";
import { decodeFlightData, type FlightDataMessage } from "../src/flight/flight-data.ts";
import { FlightService } from "../src/grpc/generated/flight.ts";
import { methodDefinition } from "../src/grpc/service.ts";
import { SAMPLE, startProcessor } from "../test/support/processor.ts";
import { PUBNET } from "./support/ledgers.ts";
import { Report } from "./support/report.ts";

const FIRST = 1000;
const SAMPLES = 40;
const LINES = 10;

const { values: flags } = parseArgs({ options: { ledgers: { type: "string", default: "100000" } } });
const ledgers = Number(flags.ledgers);

function residentMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** Calls `each` with the last complete ledger of every batch of the ticket. */
async function read(address: string, ticket: string, each: (ledgerComplete: number) => void): Promise<void> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": 64 << 20,
    "grpc-node.flow_control_window": 4 << 20,
  });
  const { path, requestSerialize } = methodDefinition(FlightService, FlightService.methods.doGet);
  const call = client.makeServerStreamRequest(path, requestSerialize, decodeFlightData, {
    ticket: Buffer.from(ticket),
  });
  try {
    for await (const message of call as AsyncIterable<FlightDataMessage>) {
      if (message.appMetadata === undefined) continue;
      const metadata = JSON.parse(Buffer.from(message.appMetadata).toString("utf8")) as { ledger_complete: number };
      each(metadata.ledger_complete);
    }
  } finally {
    call.cancel();
    client.close();
  }
}

const report = new Report("resident");
const processor = await startProcessor([
  `--source-endpoint=repeat:${SAMPLE.folder}`,
  `--network-passphrase=${PUBNET}`,
  "--include-deleted",
  "--worker-count=2",
]);
const samples: number[] = [];
try {
  const control = connectControl(processor.control);
  const { sessionId } = await control.startProcessing({ startLedger: FIRST, endLedger: FIRST + ledgers - 1 });
  control.close();
  const begun = performance.now();
  await read(processor.flight, JSON.stringify({ session: sessionId, from: "start" }), (ledgerComplete) => {
    const done = ledgerComplete - FIRST + 1;
    if (done < ((samples.length + 1) * ledgers) / SAMPLES) return;
    samples.push(residentMib(processor.pid));
    if (samples.length % (SAMPLES / LINES) !== 0) return;
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    console.log(
      `  ${String(done).padStart(7)} ledgers, ${seconds.padStart(4)} s: ${samples.at(-1)!.toFixed(0)} MiB resident`,
    );
  });
} finally {
  await processor.stop();
}
const half = samples.length / 2;
const early = Math.max(...samples.slice(half / 2, half));
const late = Math.max(...samples.slice(half));
console.log(
  `highest in the second quarter ${early.toFixed(0)} MiB, in the second half ${late.toFixed(0)} MiB resident`,
);
report.figure("growth of resident memory", [late / early]);
report.keep("MiB resident", samples);
process.exit(report.finish());
