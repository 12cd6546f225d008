/**
 * Runs a server at full speed for one client and against another that reads slowly, each with a session of its own, and
 * watches its resident memory.
 *
 *   bun test/engine/memory-run.ts [--seconds 20] [--ledgers dense|large] [--memory 512] [--workers 2]
 *
 * `dense`: the sample over and over, from memory, as fast as it goes. `large`: ledgers of nearly 64 MiB from a
 * RawLedgerService. Ends with 1 when resident memory went over MAX_MEMORY_MB, or when nothing moved.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { headerOffsets } from "../../src/sources/file/header-offsets.ts";
import { buildLedger, created, id, scBytes, scU32 } from "../ledger/build.ts";
import { RawLedgerServer } from "../sources/raw-ledger-service.ts";
import { link } from "../support/chain.ts";
import { PUBNET } from "../support/networks.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";

const SLOW_READ_MS = 150; // between two batches
const BATCHES_MIN = 3; // each client reads on until it has so many, however slow the machine is
const SAMPLE_MS = 100;

interface MemoryRun {
  residentMibMost: number;
  residentMibLimit: number;
  /** After a tenth, and at the end. */
  residentMibEarly: number;
  residentMibLast: number;
  /** Of the slow client. */
  batches: number;
  ledgers: number;
  /** Of the fast client. */
  fastBatches: number;
  fastLedgers: number;
}

/** Undefined when there is no such process. */
function residentMib(pid: number): number | undefined {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
  } catch {
    return undefined;
  }
}

async function largeSource(): Promise<RawLedgerServer> {
  const val = scBytes(new Uint8Array(60_000));
  const changes = Array.from({ length: 1000 }, (_, row) => created({ contract: id(1), key: scU32(row), val }));
  const ledger = buildLedger({ transactions: [{ operations: [changes] }] });
  const view = new DataView(ledger.buffer, ledger.byteOffset, ledger.length);
  const { ledgerSequence } = headerOffsets("made ledger", ledger);
  return RawLedgerServer.start(async (call) => {
    let hash: Uint8Array = new Uint8Array(32);
    for (let sequence = call.startLedger; !call.cancelled; sequence++) {
      view.setUint32(ledgerSequence, sequence);
      hash = link(ledger, hash);
      await call.send(sequence, ledger.slice()); // gRPC reads it later
    }
  });
}

export async function memoryRun(options: {
  seconds: number;
  ledgers: "dense" | "large";
  memoryMib: number;
  workers: number;
}): Promise<MemoryRun> {
  const { seconds, ledgers, memoryMib, workers } = options;
  const source = ledgers === "large" ? await largeSource() : undefined;
  const processor: Processor = await startProcessor([
    `--source-endpoint=${source?.address ?? `repeat:${SAMPLE.folder}`}`,
    `--network-passphrase=${PUBNET}`,
    "--include-deleted",
    `--worker-count=${workers}`,
    `--max-memory-mb=${memoryMib}`,
    "--flight-message-bytes-max=1MiB",
  ]);
  const control = connectControl(processor.control);
  const client = new FlightClient(processor.flight, { windowBytes: 64 << 10 });
  const fastClient = new FlightClient(processor.flight);
  let sampling: ReturnType<typeof setInterval> | undefined;
  try {
    const run: MemoryRun = {
      residentMibMost: 0,
      residentMibLimit: memoryMib,
      residentMibEarly: 0,
      residentMibLast: 0,
      batches: 0,
      ledgers: 0,
      fastBatches: 0,
      fastLedgers: 0,
    };
    const [slow, fast] = await Promise.all(
      [1, 2].map(() => control.startProcessing({ startLedger: 1000, endLedger: 0 })),
    );
    const ticketOf = ({ sessionId }: { sessionId: string }) =>
      Buffer.from(JSON.stringify({ session: sessionId, from: "start" }));
    const ledgersOf = async ({ sessionId }: { sessionId: string }) =>
      (await control.getStatus({ sessionId })).currentLedger - 999;
    const end = performance.now() + seconds * 1000;
    const early = performance.now() + seconds * 100;
    sampling = setInterval(() => {
      const resident = residentMib(processor.pid);
      if (resident === undefined) return clearInterval(sampling); // the server is gone, which the reading end reports
      run.residentMibMost = Math.max(run.residentMibMost, resident);
      if (performance.now() < early) run.residentMibEarly = resident;
      run.residentMibLast = resident;
    }, SAMPLE_MS);
    const readFast = async () => {
      for await (const _ of fastClient.doGet(ticketOf(fast!))) {
        run.fastBatches += 1;
        if (performance.now() >= end && run.fastBatches >= BATCHES_MIN) break;
      }
    };
    const readSlowly = async () => {
      for await (const _ of client.doGet(ticketOf(slow!))) {
        run.batches += 1;
        if (performance.now() >= end && run.batches >= BATCHES_MIN) break;
        await new Promise((resolve) => setTimeout(resolve, SLOW_READ_MS));
      }
    };
    await Promise.all([readFast(), readSlowly()]);
    run.ledgers = await ledgersOf(slow!);
    run.fastLedgers = await ledgersOf(fast!);
    return run;
  } catch (thrown) {
    throw new Error(`the server said:\n${processor.output()}`, { cause: thrown });
  } finally {
    clearInterval(sampling);
    client.close();
    fastClient.close();
    control.close();
    await processor.stop();
    source?.[Symbol.dispose]();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "20" },
      ledgers: { type: "string", default: "dense" },
      memory: { type: "string", default: "512" },
      workers: { type: "string", default: "2" },
    },
  });
  const run = await memoryRun({
    seconds: Number(values.seconds),
    ledgers: values.ledgers as "dense" | "large",
    memoryMib: Number(values.memory),
    workers: Number(values.workers),
  });
  console.log(JSON.stringify(run));
  process.exit(run.residentMibMost <= run.residentMibLimit && run.batches > 2 && run.fastBatches > 2 ? 0 : 1);
}
