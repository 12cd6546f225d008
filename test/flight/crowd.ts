/**
 * Many clients on one session: most read as they can, some stop reading, some are killed. Those that read get every
 * row. One that stops is ended with its cursor, from which it then gets exactly the rest; nobody waits for it longer than
 * SLOW_CLIENT_GRACE; and the server's memory stays within bounds.
 *
 *   bun test/flight/crowd.ts [--clients 100] [--slow 10] [--killed 10] [--cycles 40]
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { ServiceError } from "@grpc/grpc-js";
import { connectControl } from "../../src/control/client.ts";
import { planMemory } from "../../src/engine/memory-plan.ts";
import { CodedError } from "../../src/error.ts";
import { FlightClient, type ReceivedBatch } from "../../src/flight-client/client.ts";
import { LANE_CHUNK_BYTES_MAX } from "../../src/http2/http2-lane.ts";
import { goClient } from "../clients/toolchain.ts";
import { actionJson, flightTotals } from "../support/flight-rows.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { until } from "../support/until.ts";

const FIRST = 1000;
const GRACE_MS = 3000; // on a busy machine, one of many clients in one process may well wait for a second
const CHECK_MS = GRACE_MS / 4; // between the server's looks for slow clients
const MEMORY_MIB = 448; // MAX_MEMORY_MB
const WORKERS = 2;
const LOOK_MS = 200; // between two looks at what is retained
/**
 * Garbage, beyond what MAX_MEMORY_MB allows for: for each client that comes late the sample is read and renumbered
 * again, and each thread's collector lets some of that lie before it runs.
 */
const GARBAGE_MIB = 64 * (2 + WORKERS);
const SLOW_WINDOW_BYTES = 65_536; // a slow client's system does not read ahead for it
const SLOW_BATCHES = 3; // a slow client takes these and then nothing for a long time

interface CrowdResult {
  seed: number;
  /** Clients that read to the end with exactly the rows of the range. */
  exact: number;
  /** Slow clients that had exactly the rows of the range in the end, at one go or from their cursor on. */
  slowExact: number;
  /** Those of them that were ended with RESOURCE_EXHAUSTED and a cursor. */
  slowEnded: number;
  /** The longest that others waited for one of them, as the server saw it, and what may be. */
  heldBackMsMax: number;
  heldBackMsLimit: number;
  killed: number;
  /** Everything else, told. */
  failures: string[];
  rows: number;
  seconds: number;
  residentMiBMax: number;
  residentMiBLimit: number;
  /** What all streams together retained at most, and what MAX_MEMORY_MB leaves for that. */
  retainedBytesMax: number;
  retainedBytesLimit: number;
}

/** Order and content of rows, whatever the batches: the values of each column, one after the other. */
class RowDigest {
  private readonly columns = new Map<string, ReturnType<typeof createHash>>();
  rows = 0;
  /** Of the largest batch. */
  bytesMax = 0;

  add({ table, bytes }: ReceivedBatch): void {
    this.rows += table.numRows;
    this.bytesMax = Math.max(this.bytesMax, bytes);
    for (const { name } of table.schema.fields) {
      for (const data of table.getChild(name)!.data) {
        const { values, valueOffsets, BYTES_PER_ELEMENT } = data as {
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

async function digestOf(
  address: string,
  ticket: object,
): Promise<{ text: string; rows: number; batchBytesMax: number }> {
  const client = new FlightClient(address);
  const digest = new RowDigest();
  try {
    for await (const batch of client.doGet(Buffer.from(JSON.stringify(ticket)))) digest.add(batch);
  } finally {
    client.close();
  }
  return { text: digest.text(), rows: digest.rows, batchBytesMax: digest.bytesMax };
}

/**
 * Reads a little, then nothing while it pauses, then all that there is. Where the server has ended it meanwhile, it goes
 * on from the cursor that came with the error, as often as that happens.
 */
async function readSlowly(
  address: string,
  ticket: object,
  pause: () => Promise<void>,
): Promise<{ text: string; rows: number; ended: number; error?: CodedError }> {
  const digest = new RowDigest();
  let ended = 0;
  for (let from: string | undefined; ; ) {
    const client = new FlightClient(address, { windowBytes: SLOW_WINDOW_BYTES });
    let count = 0;
    try {
      const resumed = from === undefined ? ticket : { ...ticket, from };
      for await (const batch of client.doGet(Buffer.from(JSON.stringify(resumed)))) {
        digest.add(batch);
        if (++count === SLOW_BATCHES && ended === 0) await pause();
      }
      return { text: digest.text(), rows: digest.rows, ended };
    } catch (thrown) {
      const error = CodedError.from(thrown);
      from = cursorOf(error);
      if (error.code !== "RESOURCE_EXHAUSTED" || error.reason !== "SLOW_CLIENT" || from === undefined) {
        return { text: "", rows: digest.rows, ended, error };
      }
      ended += 1;
    } finally {
      client.close();
    }
  }
}

/** The trailer `cursor` of a call that failed. */
function cursorOf({ cause }: CodedError): string | undefined {
  const cursor = (cause as Partial<ServiceError> | undefined)?.metadata?.get("cursor")[0];
  return typeof cursor === "string" ? cursor : undefined;
}

/** The clients of one session, each a promise that ends with it, and what became of them. */
class Clients {
  readonly failures: string[] = [];
  exact = 0;
  slowExact = 0;
  slowEnded = 0;
  killed = 0;

  constructor(
    private readonly flight: string,
    private readonly ticket: object,
    private readonly expected: { text: string; rows: number },
  ) {}

  async readAndDie(command: readonly string[], afterMs: number): Promise<void> {
    const args = ["get", "-addr", this.flight, "-ticket", JSON.stringify(this.ticket)];
    const child = Bun.spawn([...command, ...args], { stdout: "ignore", stderr: "ignore" });
    await Bun.sleep(afterMs);
    child.kill("SIGKILL");
    await child.exited;
    this.killed += 1;
  }

  async readSlowly(index: number): Promise<void> {
    const { text, rows, ended, error } = await readSlowly(this.flight, this.ticket, async () => {
      await Bun.sleep(3 * GRACE_MS);
      // Where all clients are slow, as on a busy machine, it takes longer until the others wait for one of these.
      await until(async () => (await flightTotals(this.flight)).slowClientsEnded! > 0, "a slow client is ended");
    });
    if (ended > 0) this.slowEnded += 1;
    if (text === this.expected.text) this.slowExact += 1;
    else this.failures.push(`slow ${index}, ended ${ended} times: ${error?.message ?? `${rows} rows, which differ`}`);
  }

  async read(index: number): Promise<void> {
    try {
      const { text, rows } = await digestOf(this.flight, this.ticket);
      if (text === this.expected.text) this.exact += 1;
      else this.failures.push(`client ${index}: ${rows} rows, ${this.expected.rows} expected, and they differ`);
    } catch (thrown) {
      this.failures.push(`client ${index}: ${thrown}`);
    }
  }
}

function startServer(): Promise<Processor> {
  return startProcessor(
    [
      ...[
        `--source-endpoint=repeat:${SAMPLE.folder}`,
        "--include-deleted",
        `--worker-count=${WORKERS}`,
        "--ranges-max=100",
      ],
      ...["--channel-buffer-size=8", `--slow-client-grace=${GRACE_MS}ms`, `--max-memory-mb=${MEMORY_MIB}`],
    ],
    {},
  );
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
  const processor = await startServer();
  let retainedBytesMax = 0;
  let running = true;
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
    const looking = (async () => {
      for (; running; await Bun.sleep(LOOK_MS)) {
        const { streams } = await actionJson<{ streams: { retained_bytes: number }[] }>(processor.flight, "streams");
        const retained = streams.reduce((sum, stream) => sum + stream.retained_bytes, 0);
        retainedBytesMax = Math.max(retainedBytesMax, retained);
      }
    })();
    const begun = performance.now();
    const clients = new Clients(processor.flight, ticket, expected);
    const over: Promise<void>[] = [];
    for (let index = 0; index < options.clients; index++) {
      if (index < options.killed && go.command !== undefined) {
        over.push(clients.readAndDie(go.command, 50 + random() * 1500));
      } else if (index < options.killed + options.slow) over.push(clients.readSlowly(index));
      else over.push(clients.read(index));
    }
    await Promise.all(over);
    running = false;
    await looking;
    const seconds = (performance.now() - begun) / 1000;
    const { stream } = await actionJson<{ stream: { held_back_ms_max: number } }>(processor.flight, "session", {
      session: sessionId,
    });
    // Of each client a message, and what its socket has not sent.
    const clientsMiB = (options.clients * (LANE_CHUNK_BYTES_MAX + expected.batchBytesMax)) / 2 ** 20;
    const { exact, slowExact, slowEnded, killed, failures } = clients;
    return {
      ...{ seed, exact, slowExact, slowEnded, killed, failures, rows: expected.rows, seconds },
      heldBackMsMax: stream.held_back_ms_max,
      heldBackMsLimit: GRACE_MS + 2 * CHECK_MS, // when it is over, it is seen at the next look, and once more
      residentMiBMax: Math.round(residentMiBMax),
      residentMiBLimit: Math.round(MEMORY_MIB + GARBAGE_MIB + clientsMiB),
      retainedBytesMax,
      retainedBytesLimit: planMemory(MEMORY_MIB * 2 ** 20, WORKERS).streamsBytesMax,
    };
  } finally {
    running = false;
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
  const exact = result.exact === clients - slow - killed && result.slowExact === slow;
  const bounded =
    result.heldBackMsMax <= result.heldBackMsLimit &&
    result.retainedBytesMax <= result.retainedBytesLimit &&
    result.residentMiBMax <= result.residentMiBLimit;
  process.exit(result.failures.length === 0 && exact && bounded ? 0 : 1);
}
