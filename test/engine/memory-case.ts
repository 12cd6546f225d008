/**
 * MAX_MEMORY_MB as a container's limit: one server in a memory cgroup whose limit is the setting, with clients of every
 * kind at once, for some seconds. Where no cgroup can be made, its peak of resident memory is held against the setting.
 */
import { readFileSync } from "node:fs";
import net from "node:net";
import * as grpc from "@grpc/grpc-js";
import { connectControl } from "../../src/control/client.ts";
import { ledgerHeader } from "../../src/ledger/header.ts";
import { lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { buildLedger, created, id, scBytes, scU32 } from "../ledger/build.ts";
import { batchOf, TemporaryLake } from "../sources/lake-fixture.ts";
import { memoryCgroup } from "../support/cgroup.ts";
import { link } from "../support/chain.ts";
import { PUBNET } from "../support/networks.ts";
import { PROGRAM, type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { type LakeService, serveLakeOver } from "./memory-sources.ts";

const FIRST = 64_000; // of the lakes that are made here
/** Rows of a ledger, bytes of each value, and how many of them do not compress. */
const LEDGERS: Record<"dense" | "large" | "largest", [number, number, number]> = {
  dense: [800, 2400, 250], // 2 MB, and 200 kB stored: as most of today's ledgers
  large: [400, 60_000, 60_000],
  largest: [1000, 66_000, 6_600], // nearly LEDGER_BYTES_MAX
};
const SLOW_READ_MS = 150; // a slow client's pause after each message
const SAMPLE_MS = 50;
const FIRST_MS_MAX = 30_000; // until every client has had a message
const MIB = 1 << 20;
const WINDOW_BYTES = 4 << 20; // of a client that reads
const WINDOW_SMALL_BYTES = 65_536; // of one that does not: its system takes little ahead of it

type LakeKind = keyof typeof LEDGERS | "files-of-8" | "repeated";

export interface MemoryCase {
  memoryMib: number;
  /** Of the cgroup, where it is not the setting: the canary's is too small. */
  limitMib?: number;
  workers: number;
  lake: LakeKind;
  /** Where it is read from; default: its folder. */
  over?: LakeService;
  /** Sessions with a client that reads as fast as it can. */
  read?: number;
  /** Sessions with a client that reads slowly. */
  slow?: number;
  /** Sessions without a client. */
  unread?: number;
  /** Ranges that are read as fast as it goes … */
  ranges?: number;
  /** … and ranges whose clients take nothing. */
  silentRanges?: number;
  /** Ranges that are read over HTTP as fast as it goes, in each form by turns … */
  httpRanges?: number;
  /** … and such whose clients take nothing. */
  silentHttpRanges?: number;
  /** Clients that read the first unread session from its start, which it no longer retains. */
  catchUps?: number;
  seconds: number;
}

export interface MemoryResult {
  /** The kernel killed it, or it ended otherwise. */
  died: boolean;
  output: string;
  cgroup: 0 | 1 | 2;
  /** VmHWM, and what of it is anonymous memory at most, as sampled. */
  residentMibMost: number;
  anonymousMibMost: number;
  /** Messages and bytes that all clients took. */
  messages: number;
  megabytes: number;
  /** CPU of the server, user and system. */
  cpuSeconds: number;
  /** What ended calls before their time, counted. */
  errors: Record<string, number>;
}

/** A lake for all cases: made once, read only. */
export async function makeLake(kind: Exclude<LakeKind, "repeated">, files: number): Promise<TemporaryLake> {
  const ledgersPerBatch = kind === "files-of-8" ? 8 : 1;
  const layout = { ledgersPerBatch, batchesPerPartition: 64_000 / ledgersPerBatch, extension: "zst" as const };
  const lake = new TemporaryLake(layout, { networkPassphrase: PUBNET });
  const templates: Uint8Array[] = [];
  templates.push(madeLedger(...LEDGERS[kind === "files-of-8" ? "dense" : kind]));
  const offsets = templates.map((bytes) => ledgerHeader(bytes).offsets.sequence);
  let hash: Uint8Array = new Uint8Array(32);
  const ledger = (sequence: number) => {
    const index = sequence % templates.length;
    const bytes = templates[index]!;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(offsets[index]!, sequence);
    hash = link(bytes, hash);
    return bytes.slice();
  };
  for (let file = 0; file < files; file++) {
    const first = FIRST + file * ledgersPerBatch;
    const stored = Bun.zstdCompressSync(batchOf(first, first + ledgersPerBatch - 1, ledger), { level: 1 });
    lake.write(lakeKey(layout, first), stored);
  }
  return lake;
}

/** A ledger of so many rows, whose values have so many bytes, of which so many do not compress. */
function madeLedger(rows: number, valueBytes: number, randomBytes: number): Uint8Array {
  const changes = Array.from({ length: rows }, (_, row) => {
    const val = new Uint8Array(valueBytes);
    crypto.getRandomValues(val.subarray(0, randomBytes));
    return created({ contract: id(1), key: scU32(row), val: scBytes(val) });
  });
  return buildLedger({ transactions: [{ operations: [changes] }] });
}

function memoryOf(pid: number): { peak: number; anonymous: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
    return { peak: kib("VmHWM") / 1024, anonymous: (kib("RssAnon") + kib("RssShmem")) / 1024 };
  } catch {
    return undefined;
  }
}

function cpuSecondsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100; // USER_HZ
  } catch {
    return 0;
  }
}

/** How a client takes what comes. */
type Pace = "fast" | "slow" | "none";

/** DoGet without Arrow: what counts here is that bytes are taken. */
class Reader {
  readonly client: grpc.Client;
  private call: grpc.ClientReadableStream<Buffer> | undefined;
  messages = 0;
  bytes = 0;

  constructor(
    address: string,
    private readonly pace: Pace,
  ) {
    this.client = new grpc.Client(address, grpc.credentials.createInsecure(), {
      "grpc.max_receive_message_length": 64 * MIB,
      "grpc-node.flow_control_window": pace === "fast" ? WINDOW_BYTES : WINDOW_SMALL_BYTES,
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  /** Resolves at the call's end with its error. */
  get(ticket: object): Promise<string | undefined> {
    const bytes = Buffer.from(JSON.stringify(ticket));
    const request = Buffer.concat([Buffer.from([0x0a, (bytes.length & 0x7f) | 0x80, bytes.length >> 7]), bytes]);
    this.call = this.client.makeServerStreamRequest(
      "/arrow.flight.protocol.FlightService/DoGet",
      (value: Buffer) => value,
      (value: Buffer) => value,
      request,
    );
    return new Promise((resolve) => {
      this.call!.on("error", (error: grpc.ServiceError) => resolve(error.details));
      this.call!.on("end", () => resolve(undefined));
      if (this.pace === "none") {
        this.call!.once("metadata", () => this.call!.pause());
        return;
      }
      this.call!.on("data", (message: Buffer) => {
        this.messages += 1;
        this.bytes += message.length;
        if (this.pace === "fast") return;
        this.call!.pause();
        setTimeout(() => this.call!.resume(), SLOW_READ_MS);
      });
    });
  }

  close(): void {
    this.call?.cancel();
    this.client.close();
  }
}

/** A client of rows over HTTP. */
class HttpReader {
  private readonly socket: net.Socket;
  readonly client = { close() {} };
  messages = 0;
  bytes = 0;

  constructor(
    address: string,
    private readonly silent: boolean,
  ) {
    const { hostname, port } = new URL(`http://${address}`);
    this.socket = net.connect(Number(port), hostname);
  }

  /** Resolves at the answer's end. */
  get(path: string): Promise<string | undefined> {
    const encoding = this.silent ? "" : "Accept-Encoding: zstd\r\n"; // the encoder counts as well
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${encoding}Connection: close\r\n\r\n`);
    return new Promise((resolve) => {
      this.socket.on("error", () => {});
      this.socket.on("close", () => resolve(this.bytes < 1000 ? "an answer without rows" : undefined));
      this.socket.on("data", (bytes: Buffer) => {
        this.messages += 1;
        this.bytes += bytes.length;
        if (this.silent) this.socket.pause();
      });
    });
  }

  close(): void {
    this.socket.destroy();
  }
}

const FORMATS = ["ndjson", "arrow", "csv", "sse"];

/** Clients that read again and again until it is over. */
class Readers {
  over = false;
  readonly errors: Record<string, number> = {};
  private readonly all: (Reader | HttpReader)[] = [];

  constructor(private readonly processor: Processor) {}

  failed(thrown: unknown): void {
    const text = String(thrown instanceof Error ? thrown.message : thrown)
      .replaceAll(/[\d.]+/g, "N")
      .slice(0, 160);
    this.errors[text] = (this.errors[text] ?? 0) + 1;
  }

  keepReading(pace: Pace, ticket: object): Promise<void> {
    return this.keep(() => new Reader(this.processor.flight, pace), ticket);
  }

  keepReadingOverHttp(silent: boolean, path: string): Promise<void> {
    return this.keep(() => new HttpReader(this.processor.http, silent), path);
  }

  get messages(): number {
    return this.sum((reader) => reader.messages);
  }

  /** Some seconds may not be enough on a busy machine. What still lacks then is told by the result. */
  async haveMessages(count: number): Promise<void> {
    const holds = () => this.over || this.messages >= count;
    await until(holds, "a message for each client", FIRST_MS_MAX).catch(() => {});
  }

  /** What ends for want of memory comes back. */
  private async keep<T>(open: () => { get(what: T): Promise<string | undefined> } & (Reader | HttpReader), what: T) {
    while (!this.over) {
      const reader = open();
      this.all.push(reader);
      const error = await reader.get(what);
      if (this.over) return;
      if (error !== undefined) this.failed(error);
      reader.client.close();
      await Bun.sleep(200);
    }
  }

  close(): void {
    for (const reader of this.all) reader.close();
  }

  sum(of: (reader: Reader | HttpReader) => number): number {
    return this.all.reduce((all, reader) => all + of(reader), 0);
  }
}

/** The most memory that a process has had, looked at now and then. */
class MemoryPeaks {
  resident = 0;
  anonymous = 0;
  private readonly sampling: ReturnType<typeof setInterval>;

  constructor(private readonly pid: number) {
    this.sampling = setInterval(() => {
      const memory = memoryOf(pid);
      this.resident = Math.max(this.resident, memory?.peak ?? 0);
      this.anonymous = Math.max(this.anonymous, memory?.anonymous ?? 0);
    }, SAMPLE_MS);
  }

  /** A last look, of what the system itself has kept. */
  look(): void {
    this.resident = Math.max(this.resident, memoryOf(this.pid)?.peak ?? 0);
  }

  stop(): void {
    clearInterval(this.sampling);
  }
}

/** @param lake of the case's kind; absent for "repeated" */
export async function runCase(spec: MemoryCase, lake?: TemporaryLake): Promise<MemoryResult> {
  const { memoryMib, workers, read = 0, slow = 0, unread = 0, ranges = 0, silentRanges = 0, seconds } = spec;
  const { httpRanges = 0, silentHttpRanges = 0, catchUps = 0 } = spec;
  const served = spec.over === undefined ? undefined : await serveLakeOver(spec.over, lake!);
  using cgroup = memoryCgroup((spec.limitMib ?? memoryMib) * MIB);
  const processor: Processor = await startProcessor(
    [
      `--source-endpoint=${served?.endpoint ?? lake?.folder ?? `repeat:${SAMPLE.folder}`}`,
      `--network-passphrase=${PUBNET}`,
      "--include-deleted",
      `--worker-count=${workers}`,
      `--max-memory-mb=${memoryMib}`,
      "--ranges-max=64",
    ],
    { command: [...(cgroup?.command ?? []), ...PROGRAM], env: served?.env },
  );
  const control = connectControl(processor.control);
  const readers = new Readers(processor);
  const peaks = new MemoryPeaks(processor.pid);
  const died = processor.exited.then(() => {
    readers.over = true;
  });
  const endLedger = 0;
  const start = async () => {
    try {
      return (await control.startProcessing({ startLedger: FIRST, endLedger })).sessionId;
    } catch (thrown) {
      readers.failed(thrown);
      return undefined;
    }
  };
  let killed = false;
  let cpu = 0;
  try {
    const ended = Bun.sleep(seconds * 1000);
    const sessions: string[] = [];
    for (let count = 0; count < read + slow + unread; count++) {
      const session = await start();
      if (session === undefined) continue;
      sessions.push(session);
      const pace = sessions.length <= read ? "fast" : "slow";
      if (sessions.length <= read + slow) void readers.keepReading(pace, { session, from: "start" });
    }
    const range = (index: number) => ({ start_ledger: FIRST, end_ledger: FIRST + 100 + index });
    for (let index = 0; index < catchUps; index++)
      void readers.keepReading("fast", { session: sessions.at(-1), from: "start" });
    if (catchUps > 0) await Bun.sleep(Math.min(1500, seconds * 250));
    for (let index = 0; index < ranges; index++) void readers.keepReading("fast", range(index));
    for (let index = 0; index < silentRanges; index++) void readers.keepReading("none", range(index));
    for (let index = 0; index < httpRanges + silentHttpRanges; index++) {
      const format = FORMATS[index % FORMATS.length];
      const path = `/v1/rows?start_ledger=${FIRST}&end_ledger=${FIRST + 100 + index}&decoded=true&format=${format}`;
      void readers.keepReadingOverHttp(index >= httpRanges, path.replace(/&decoded=true(?=.*(arrow|csv))/, ""));
    }
    await Promise.race([ended, died]);
    await readers.haveMessages(read + slow + ranges + catchUps + httpRanges);
    cpu = cpuSecondsOf(processor.pid);
    peaks.look();
    killed = readers.over || cgroup?.killed() === true;
  } finally {
    readers.over = true;
    peaks.stop();
    readers.close();
    control.close();
    processor.kill("SIGKILL");
    await processor.exited;
    await served?.close();
  }
  return {
    died: killed,
    output: processor.output(),
    cgroup: cgroup?.version ?? 0,
    residentMibMost: Math.round(peaks.resident),
    anonymousMibMost: Math.round(peaks.anonymous),
    cpuSeconds: cpu,
    messages: readers.messages,
    megabytes: Math.round(readers.sum(({ bytes }) => bytes) / 1e6),
    errors: readers.errors,
  };
}
