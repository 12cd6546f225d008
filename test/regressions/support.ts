/** What the regression tests share: the server inside the test, readers that are stepped by hand, the rows to expect. */
import { expect } from "bun:test";
import { join } from "node:path";
import type { ServiceError } from "@grpc/grpc-js";
import type { Table } from "apache-arrow";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { type ControlClient, connectControl } from "../../src/control/client.ts";
import { CodedError } from "../../src/error.ts";
import { type BatchMetadata, FlightClient } from "../../src/flight-client/client.ts";
import { createLogger } from "../../src/ops/log.ts";
import { ArrowCells } from "../../src/rows/arrow-cells.ts";
import { type RunningProcessor, startServer } from "../../src/server/server.ts";
import type { SessionSnapshot } from "../../src/sessions/session-service.ts";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import type { LedgerObject, LedgerSource } from "../../src/sources/source.ts";
import { clientLine, readGolden } from "../support/goldens.ts";
import { PUBNET } from "../support/networks.ts";
import { ROOT, SAMPLE } from "../support/processor.ts";
import { sampleChain } from "../support/sample-chain.ts";
import { until } from "../support/until.ts";

const CALL_MS_MAX = 60_000; // a machine under full load
const STILL_LOOKS = 20; // a thread that has been told to go on does so within one or two

/** The whole server in this process, on free ports of loopback. */
export class TestServer {
  readonly #clients: FlightClient[] = [];

  private constructor(
    readonly processor: RunningProcessor,
    readonly config: Config,
    /** Lines that it logged, each a JSON object. */
    readonly log: string[],
    readonly control: ControlClient,
  ) {}

  /** @param settings by their names in the environment; the ledgers are pubnet's unless these say otherwise */
  static async start(source: LedgerSource, settings: Record<string, string> = {}): Promise<TestServer> {
    const { values } = loadConfig({
      env: {
        GRPC_ADDRESS: "127.0.0.1:0",
        FLIGHT_ADDRESS: "127.0.0.1:0",
        HEALTH_PORT: "127.0.0.1:0",
        NETWORK_PASSPHRASE: PUBNET,
        WORKER_COUNT: "1",
        INCLUDE_DELETED: "true",
        ...settings,
      },
    });
    const log: string[] = [];
    const output = { write: (line: string) => log.push(line) };
    const processor = await startServer(values, source, createLogger({ level: "debug", format: "json", output }));
    const { host, port } = processor.addresses.control;
    const control = connectControl(`${host}:${port}`, { deadlineMs: CALL_MS_MAX });
    return new TestServer(processor, values, log, control);
  }

  get flightAddress(): string {
    const { host, port } = this.processor.addresses.flight;
    return `${host}:${port}`;
  }

  /** Through the control plane, as a client does it. */
  async startSession(startLedger: number, endLedger: number, batchSize = 0): Promise<string> {
    return (await this.control.startProcessing({ startLedger, endLedger, batchSize })).sessionId;
  }

  /** The exact counters, which the control plane gives in part. */
  session(id: string): SessionSnapshot {
    return this.processor.sessions.get(id);
  }

  /** A DoGet over a connection of its own; it is sent by the first `next`. */
  read(ticket: string | { session: string; from?: string }): Reader {
    const client = new FlightClient(this.flightAddress);
    this.#clients.push(client);
    return new Reader(client, typeof ticket === "string" ? ticket : JSON.stringify(ticket));
  }

  /** Resolves once the session is in that state. */
  async reached(id: string, state: SessionSnapshot["state"]): Promise<SessionSnapshot> {
    return until(
      () => {
        const session = this.session(id);
        return session.state === state && session;
      },
      `session ${id} is ${state} (it is ${this.session(id).state})`,
    );
  }

  async get(path: string): Promise<{ status: number; text: string }> {
    const { host, port } = this.processor.addresses.http;
    const response = await fetch(`http://${host}:${port}${path}`, { headers: { connection: "close" } });
    return { status: response.status, text: await response.text() };
  }

  /** The samples of /metrics by name (with labels). */
  async metrics(): Promise<Map<string, number>> {
    const { text } = await this.get("/metrics");
    const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.control.close();
    for (const client of this.#clients) client.close();
    await this.processor.close(0);
  }
}

interface ReadBatch {
  table: Table;
  metadata: BatchMetadata;
}

/** One DoGet, read one batch at a time, so that a test decides how fast its client is. */
export class Reader {
  /** Those with rows. */
  readonly batches: ReadBatch[] = [];
  /** Cursor of the last one, also of one without rows, which only says how far the stream is. */
  cursor: string | undefined;
  readonly #iterator: AsyncIterator<ReadBatch>;

  constructor(
    private readonly client: FlightClient,
    ticket: string,
  ) {
    this.#iterator = client.doGet(Buffer.from(ticket))[Symbol.asyncIterator]();
  }

  /** The next batch with rows; undefined once the stream has ended with OK. @throws CodedError with the server's status */
  async next(): Promise<ReadBatch | undefined> {
    for (;;) {
      const { done, value } = await this.#iterator.next();
      if (done === true) return undefined;
      this.cursor = value.metadata.cursor;
      if (value.table.numRows === 0) continue;
      this.batches.push(value);
      return value;
    }
  }

  /** Reads on to the end. @throws CodedError with the server's status */
  async rest(): Promise<this> {
    while ((await this.next()) !== undefined) {}
    return this;
  }

  /** Reads on to the end, which has to be an error. */
  async failure(): Promise<CodedError> {
    try {
      await this.rest();
    } catch (thrown) {
      if (thrown instanceof CodedError) return thrown;
      throw thrown;
    }
    throw new Error(`DoGet ended with OK after ${this.batches.length} batches; an error was to come`);
  }

  /** All rows so far, as `clientLine` writes them. */
  get lines(): string[] {
    return this.batches.flatMap(({ table }) => linesOf(table));
  }

  get rows(): number {
    return this.batches.reduce((sum, { table }) => sum + table.numRows, 0);
  }

  /** Another DoGet over the same connection. */
  sibling(ticket: string): Reader {
    return new Reader(this.client, ticket);
  }

  /** Cancels the call. */
  async cancel(): Promise<void> {
    await this.#iterator.return?.();
  }
}

/** Fails at the first row that is not the one expected, or where there are fewer or more. */
export function expectRows({ lines }: Reader, expected: string[]): void {
  const at = lines.findIndex((line, index) => line !== expected[index]);
  if (at >= 0) throw new Error(`row ${at} of ${expected.length} is\n${lines[at]}\nand was to be\n${expected[at]}`);
  expect(lines.length).toBe(expected.length);
}

/** The cursor in a failed call's trailers. */
export function cursorOf(error: CodedError): string | undefined {
  const cursor = (error.cause as ServiceError | undefined)?.metadata?.get("cursor")[0];
  return typeof cursor === "string" ? cursor : undefined;
}

/** What tells one row from all others of a stream. */
export function keysOf(batches: readonly ReadBatch[]): string[] {
  return batches.flatMap(({ table }) => {
    const [sequence, hash] = [table.getChild("ledger_sequence")!, table.getChild("ledger_key_hash")!];
    return Array.from({ length: table.numRows }, (_, row) => `${sequence.get(row)} ${hash.get(row)}`);
  });
}

/** Rows of schema version 1 as `clientLine` has them: the first 17 columns. */
function linesOf(table: Table): string[] {
  return cellsOf(table).map((cells) => cells.slice(0, 17).join("\t"));
}

/** Rows of schema version 1, all 18 columns as text. */
export function cellsOf(table: Table): string[][] {
  const cells = new ArrowCells(table);
  return Array.from({ length: table.numRows }, (_, row) =>
    cells.columns.map((name) => {
      const value = cells.value(row, name);
      if (value === null) return "\\N";
      return name === "closed_at" ? `${Date.parse(value as string)}000` : String(value);
    }),
  );
}

const SAMPLE_COUNT = SAMPLE.last - SAMPLE.first + 1;
const SEQUENCE = 10; // the column of a client's line that holds ledger_sequence
let sampleLines: string[][][] | undefined;

/** The oracle's rows of ledgers `first` to `last` of the sample repeated, deleted ones included. */
export function sampleRows(first: number, last: number): string[] {
  sampleLines ??= Array.from({ length: SAMPLE_COUNT }, () => []);
  if (sampleLines.every((lines) => lines.length === 0)) {
    for (const row of readGolden(join(ROOT, "sample", "lake.tsv"))) {
      sampleLines[Number(row[0]) - SAMPLE.first]!.push(clientLine(row).split("\t"));
    }
  }
  const rows: string[] = [];
  for (let ledger = first; ledger <= last; ledger++) {
    const template = (((ledger - SAMPLE.first) % SAMPLE_COUNT) + SAMPLE_COUNT) % SAMPLE_COUNT;
    for (const cells of sampleLines[template]!) rows.push(cells.with(SEQUENCE, String(ledger)).join("\t"));
  }
  return rows;
}

/** A source that counts what is taken from it. */
export class CountedSource implements LedgerSource {
  /** Objects handed out, over all reads. */
  taken = 0;
  /** Ledgers in them. */
  ledgers = 0;
  readonly description: string;
  readonly seekable: boolean;

  constructor(private readonly inner: LedgerSource) {
    this.description = inner.description;
    this.seekable = inner.seekable;
  }

  networkPassphrase(): Promise<string | undefined> {
    return this.inner.networkPassphrase();
  }

  ledgerLatest(): Promise<number | undefined> {
    return this.inner.ledgerLatest();
  }

  async *read(start: number, end: number, signal: AbortSignal): AsyncGenerator<LedgerObject, void, undefined> {
    for await (const object of this.inner.read(start, end, signal)) {
      this.taken += 1;
      this.ledgers += object.ledgerLast - object.ledgerFirst + 1;
      yield object;
    }
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/**
 * Resolves once the source's newest session has stopped taking ledgers: all that were begun are in order, and the next one,
 * which is taken, waits for room.
 * @param takenBefore ledgers that sessions before it have taken
 */
export async function untilHeldBack(
  source: CountedSource,
  session: () => SessionSnapshot,
  takenBefore = 0,
): Promise<SessionSnapshot> {
  let looks = 0;
  let taken = 0;
  return until(() => {
    const now = session();
    // The source is read on this thread: were there room, it would be read between two looks.
    const isStill =
      source.ledgers === taken && now.batchesCreated > 0 && now.ledgersProcessed === taken - takenBefore - 1;
    looks = isStill ? looks + 1 : 0;
    taken = source.ledgers;
    return looks === STILL_LOOKS && now;
  }, "the source is held back");
}

/** Ledgers made in memory, one an object; nothing to wait for. */
export class MadeSource implements LedgerSource {
  readonly description = "ledgers made by the test";
  readonly seekable = true;

  /** @param ledger one LedgerCloseMeta by its sequence number */
  constructor(private readonly ledger: (sequence: number) => Uint8Array | Promise<Uint8Array>) {}

  networkPassphrase(): Promise<string | undefined> {
    return Promise.resolve(undefined);
  }

  ledgerLatest(): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }

  async *read(start: number, end: number, signal: AbortSignal): AsyncGenerator<LedgerObject, void, undefined> {
    const aborted = new Promise<undefined>((resolve) => signal.addEventListener("abort", () => resolve(undefined)));
    for (let ledger = start; (end === 0 || ledger <= end) && !signal.aborted; ledger++) {
      const bytes = await Promise.race([this.ledger(ledger), aborted]);
      if (bytes === undefined) return;
      yield {
        name: `made ledger ${ledger}`,
        ledgerFirst: ledger,
        ledgerLast: ledger,
        encoding: "none",
        container: "ledger",
        bytes,
      };
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The sample's ledgers under any number: what RepeatingSource gives, one at a time, in a chain that holds. */
export async function sampleLedgers(): Promise<(sequence: number) => Promise<Uint8Array>> {
  const source = await RepeatingSource.open(SAMPLE.folder);
  const follow = await sampleChain(source);
  return async (sequence) => {
    for await (const { bytes } of source.read(sequence, sequence, new AbortController().signal)) {
      follow(bytes);
      return bytes;
    }
    throw new Error(`no ledger ${sequence}`);
  };
}
