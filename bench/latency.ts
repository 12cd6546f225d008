/**
 * `bun bench/latency.ts`: latency at the tip, and resident memory over a long replay.
 *
 * Latency: a source gives one ledger of about 1.8 MB (the densest there is, renumbered) after the other, each once the
 * rows of the one before have reached a Flight client and a pause has passed. Measured from the source's send to the
 * client having the batch in hand; the client decodes nothing.
 *
 *   bun bench/latency.ts [--ledgers 200] [--pause 40] [--replay 100000]
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as grpc from "@grpc/grpc-js";
import { connectControl } from "../src/control/client.ts";
import { FlightService } from "../src/flight/proto/flight.ts";
import { decodeFlightData, type FlightDataMessage } from "../src/grpc/flight-data.ts";
import { methodDefinition } from "../src/grpc/service.ts";
import { splitBatch } from "../src/ledger/batch.ts";
import { headerOffsets } from "../src/sources/header-offsets.ts";
import { RawLedgerServer } from "../test/sources/raw-ledger-service.ts";
import { ROOT, SAMPLE, startProcessor } from "../test/support/processor.ts";

const PUBNET = "Public Global Stellar Network ; September 2015";
const SHARED_LAKE = join(ROOT, "../shared/ledgers/lake");
const TARGET_P99_MS = 20;
const WARM_UP_LEDGERS = 100;
const LEDGER_BYTES_WANTED = 1_800_000;
const REPLAY_SAMPLES = 10;

const { values: flags } = parseArgs({
  options: {
    ledgers: { type: "string", default: "200" },
    pause: { type: "string", default: "40" },
    replay: { type: "string", default: "100000" },
  },
});

function template(): Uint8Array {
  const folder = existsSync(SHARED_LAKE) ? SHARED_LAKE : SAMPLE.folder;
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".zst"));
  let best = new Uint8Array(0);
  const off = (bytes: Uint8Array) => Math.abs(bytes.length - LEDGER_BYTES_WANTED);
  for (const file of files) {
    for (const { bytes } of splitBatch(Bun.zstdDecompressSync(readFileSync(join(folder, file))))) {
      if (off(bytes) < off(best)) best = new Uint8Array(bytes);
    }
  }
  return best;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function residentMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** Calls `each` for every batch of the ticket until the stream ends or `each` answers false. */
async function read(address: string, ticket: string, each: (message: FlightDataMessage) => boolean): Promise<void> {
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
      if (message.appMetadata !== undefined && !each(message)) break;
    }
  } finally {
    call.cancel();
    client.close();
  }
}

async function latency(): Promise<boolean> {
  const bytes = template();
  const view = new DataView(bytes.buffer);
  const { ledgerSequence } = headerOffsets("template", bytes);
  const count = WARM_UP_LEDGERS + Number(flags.ledgers);
  const sentAt: number[] = [];
  const took: number[] = [];
  let arrived = 0;
  using source = await RawLedgerServer.start(async (call) => {
    for (let n = 0; n < count && !call.cancelled; n++) {
      while (arrived < n && !call.cancelled) await pause(1);
      await pause(Number(flags.pause));
      view.setUint32(ledgerSequence, call.startLedger + n);
      sentAt.push(performance.now());
      await call.send(call.startLedger + n, bytes);
    }
  });
  const processor = await startProcessor([
    `--source-endpoint=${source.address}`,
    `--network-passphrase=${PUBNET}`,
    "--include-deleted",
    "--worker-count=2",
  ]);
  const control = connectControl(processor.control);
  try {
    const { sessionId } = await control.startProcessing({ startLedger: 1000, endLedger: 1000 + count - 1 });
    await read(processor.flight, JSON.stringify({ session: sessionId, from: "start" }), (message) => {
      const { ledger_complete } = JSON.parse(Buffer.from(message.appMetadata!).toString("utf8")) as {
        ledger_complete: number;
      };
      for (; arrived < ledger_complete - 999; arrived++) took.push(performance.now() - sentAt[arrived]!);
      return true;
    });
  } finally {
    control.close();
    await processor.stop();
  }
  const sorted = took.slice(WARM_UP_LEDGERS).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  const p99 = at(0.99);
  console.log(
    `one ledger of ${(bytes.length / 1e6).toFixed(2)} MB in → its rows at the client, ms: p50 ${at(0.5).toFixed(1)}, p90 ${at(0.9).toFixed(1)}, p99 ${p99.toFixed(1)}, most ${sorted.at(-1)!.toFixed(1)} (${sorted.length} ledgers); target p99 < ${TARGET_P99_MS}: ${p99 < TARGET_P99_MS ? "met" : "MISSED"}`,
  );
  return p99 < TARGET_P99_MS;
}

/** Resident memory while the sample is replayed for many ledgers: it must not grow. */
async function replay(ledgers: number): Promise<void> {
  const processor = await startProcessor([
    `--source-endpoint=repeat:${SAMPLE.folder}`,
    `--network-passphrase=${PUBNET}`,
    "--include-deleted",
    "--worker-count=2",
  ]);
  const control = connectControl(processor.control);
  try {
    const { sessionId } = await control.startProcessing({ startLedger: 1000, endLedger: 1000 + ledgers - 1 });
    let next = 0;
    const begun = performance.now();
    await read(processor.flight, JSON.stringify({ session: sessionId, from: "start" }), (message) => {
      const { ledger_complete } = JSON.parse(Buffer.from(message.appMetadata!).toString("utf8")) as {
        ledger_complete: number;
      };
      if (ledger_complete - 999 >= next) {
        const seconds = ((performance.now() - begun) / 1000).toFixed(0);
        console.log(
          `  ${String(ledger_complete - 999).padStart(7)} ledgers, ${seconds.padStart(4)} s: ${residentMib(processor.pid).toFixed(0)} MiB resident`,
        );
        next += ledgers / REPLAY_SAMPLES;
      }
      return true;
    });
  } finally {
    control.close();
    await processor.stop();
  }
}

const met = await latency();
if (Number(flags.replay) > 0) await replay(Number(flags.replay));
process.exit(met ? 0 : 1);
