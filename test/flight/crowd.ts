/**
 * Many clients on one session: most read as they can, some stop reading, some are killed. Those that read get every
 * row, and the server's memory stays within bounds.
 *
 *   bun test/flight/crowd.ts [--clients 100] [--slow 10] [--killed 10] [--cycles 40]
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { connectControl } from "../../src/control/client.ts";
import { CodedError } from "../../src/error.ts";
import { type BatchMetadata, FlightClient, type ReceivedBatch } from "../../src/flight/client.ts";
import { goClient } from "../clients/toolchain.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const FIRST = 1000;
const GRACE_MS = 3000; // on a busy machine, one of many clients in one process may well wait for a second
const SLOW_WINDOW_BYTES = 65_536; // a slow client's system does not read ahead for it
const SLOW_BATCHES = 3; // a slow client takes these and then nothing for a long time

export interface CrowdResult {
  seed: number;
  /** Clients that read to the end with exactly the rows of the range. */
  exact: number;
  /** Slow clients ended with RESOURCE_EXHAUSTED. */
  slowEnded: number;
  killed: number;
  /** Everything else, told. */
  failures: string[];
  rows: number;
  seconds: number;
  residentMiBMax: number;
}

/** Order and content of rows, whatever the batches: the values of each column, one after the other. */
class RowDigest {
  private readonly columns = new Map<string, ReturnType<typeof createHash>>();
  rows = 0;

  add({ table }: ReceivedBatch): void {
    this.rows += table.numRows;
    for (const { name } of table.schema.fields) {
      for (const data of table.getChild(name)!.data) {
        const { values, valueOffsets, BYTES_PER_ELEMENT } = data as unknown as {
          values: Uint8Array & { BYTES_PER_ELEMENT: number };
          valueOffsets?: Int32Array;
          BYTES_PER_ELEMENT?: number;
        };
        if (BYTES_PER_ELEMENT !== undefined || name === "deleted") continue; // bits do not begin at bytes
        const [from, to] =
          valueOffsets === undefined ? [0, data.length] : [valueOffsets[0]!, valueOffsets[data.length]!];
        const part = values.subarray(from, to);
        const hash = this.columns.get(name) ?? createHash("sha1");
        this.columns.set(name, hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength)));
      }
    }
  }

  text(): string {
    return [...this.columns].map(([name, hash]) => `${name}=${hash.digest("hex")}`).join(" ");
  }
}

async function digestOf(address: string, ticket: object): Promise<{ text: string; rows: number }> {
  const client = new FlightClient(address);
  const digest = new RowDigest();
  try {
    for await (const batch of client.doGet(Buffer.from(JSON.stringify(ticket)))) digest.add(batch);
  } finally {
    client.close();
  }
  return { text: digest.text(), rows: digest.rows };
}

/** Reads a little, then nothing until the server has ended it; answers with the error and the last cursor. */
async function readSlowly(address: string, ticket: object): Promise<{ error?: CodedError; last?: BatchMetadata }> {
  const client = new FlightClient(address, SLOW_WINDOW_BYTES);
  let last: BatchMetadata | undefined;
  let count = 0;
  try {
    for await (const { metadata } of client.doGet(Buffer.from(JSON.stringify(ticket)))) {
      last = metadata;
      if (++count === SLOW_BATCHES) await Bun.sleep(3 * GRACE_MS);
    }
    return { last };
  } catch (thrown) {
    return { error: CodedError.from(thrown), last };
  } finally {
    client.close();
  }
}

export async function runCrowd(options: {
  clients: number;
  slow: number;
  killed: number;
  cycles: number;
}): Promise<CrowdResult> {
  const seed = seedOf();
  const random = randomFrom(seed);
  const go = await goClient();
  const processor = await startProcessor(
    [
      ...[`--source-endpoint=repeat:${SAMPLE.folder}`, "--include-deleted", "--worker-count=2", "--ranges-max=100"],
      ...["--channel-buffer-size=8", `--slow-client-grace=${GRACE_MS}ms`, "--max-memory-mb=512"],
    ],
    {},
  );
  let residentMiBMax = 0;
  const watch = setInterval(() => {
    residentMiBMax = Math.max(residentMiBMax, residentMiB(processor.pid));
  }, 100);
  try {
    const end = FIRST + options.cycles * 7 - 1;
    const expected = await digestOf(processor.flight, { start_ledger: FIRST, end_ledger: end });
    const control = connectControl(processor.control);
    const { sessionId } = await control.startProcessing({ startLedger: FIRST, endLedger: end, batchSize: 300 });
    control.close();
    const ticket = { session: sessionId, from: "start" };
    const begun = performance.now();
    const failures: string[] = [];
    let exact = 0;
    let slowEnded = 0;
    let killed = 0;
    const clients: Promise<void>[] = [];
    for (let index = 0; index < options.clients; index++) {
      if (index < options.killed && go.command !== undefined) {
        const args = ["get", "-addr", processor.flight, "-ticket", JSON.stringify(ticket)];
        const child = Bun.spawn([...go.command, ...args], { stdout: "ignore", stderr: "ignore" });
        clients.push(
          Bun.sleep(50 + random() * 1500).then(async () => {
            child.kill("SIGKILL");
            await child.exited;
            killed += 1;
          }),
        );
      } else if (index < options.killed + options.slow) {
        clients.push(
          readSlowly(processor.flight, ticket).then(({ error }) => {
            if (error?.reason === "SLOW_CLIENT") slowEnded += 1;
            else if (error !== undefined) failures.push(`slow ${index}: ${error.message}`);
          }),
        );
      } else {
        clients.push(
          digestOf(processor.flight, ticket).then(
            ({ text, rows }) => {
              if (text === expected.text) exact += 1;
              else failures.push(`client ${index}: ${rows} rows, ${expected.rows} expected, and they differ`);
            },
            (thrown: unknown) => void failures.push(`client ${index}: ${thrown}`),
          ),
        );
      }
    }
    await Promise.all(clients);
    const seconds = (performance.now() - begun) / 1000;
    return { seed, exact, slowEnded, killed, failures, rows: expected.rows, seconds, residentMiBMax };
  } finally {
    clearInterval(watch);
    await processor.stop();
  }
}

function residentMiB(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0; // no /proc here
  }
}

if (import.meta.main) {
  const number = (fallback: string) => ({ type: "string", default: fallback }) as const;
  const { values } = parseArgs({
    options: { clients: number("100"), slow: number("10"), killed: number("10"), cycles: number("40") },
  });
  const [clients, slow, killed, cycles] = [values.clients, values.slow, values.killed, values.cycles].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const result = await runCrowd({ clients, slow, killed, cycles });
  console.log(JSON.stringify(result, null, 2));
  process.exit(result.failures.length === 0 && result.exact === clients - slow - killed ? 0 : 1);
}
