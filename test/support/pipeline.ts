/**
 * The real pipeline (pool, rings, pump, hub) in one process, without Flight: the data plane's side runs on this thread's
 * event loop, and messages to and from it are delayed as they would be between threads.
 */

import { tableFromIPC } from "apache-arrow";
import { arrowSchema } from "../../src/columns/arrow-schema.ts";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { encapsulate, schemaMessage } from "../../src/columns/ipc.ts";
import { Hub } from "../../src/delivery/hub.ts";
import type { HubStream } from "../../src/delivery/hub-stream.ts";
import type { Slot } from "../../src/delivery/slot.ts";
import type { EngineOptions, EngineStream, StreamRequest } from "../../src/engine/engine-stream.ts";
import { type MemoryPlan, planMemory } from "../../src/engine/memory-plan.ts";
import { StreamEngine } from "../../src/engine/stream-engine.ts";
import type { CodedError } from "../../src/error.ts";
import { CodedError as Coded } from "../../src/error.ts";
import type { LedgerObject, LedgerSource } from "../../src/sources/source.ts";
import type { ToDataPlane } from "../../src/threads/data-plane-messages.ts";
import { Bell } from "../../src/workers/bell.ts";
import { DecodePool } from "../../src/workers/pool.ts";
import { StageTimes } from "../../src/workers/stage-times.ts";
import { NETWORK } from "../ledger/build.ts";

export interface PipelineOptions extends Partial<EngineOptions> {
  workers?: number;
}

export class TestPipeline {
  readonly deaths: CodedError[] = [];
  private running: Promise<void> = Promise.resolve();
  private queue: ToDataPlane[] = [];
  private closed = false;

  private constructor(
    readonly pool: DecodePool,
    readonly hub: Hub,
    readonly memory: MemoryPlan,
    readonly times: StageTimes,
    private readonly bell: Bell,
  ) {}

  engine!: StreamEngine;

  static async start({ workers = 2, ...options }: PipelineOptions = {}): Promise<TestPipeline> {
    const memory = options.memory ?? planMemory(512 << 20, workers);
    const bell = Bell.create();
    const times = new StageTimes();
    let self: TestPipeline | undefined;
    const hub = new Hub(
      workers,
      bell,
      {
        ended: (stream, error) => setImmediate(() => self!.engine.ended(stream, error)),
        learned: (stream, assets) => setImmediate(() => self!.engine.learned(stream, assets)),
      },
      undefined,
      times,
    );
    const early: ToDataPlane[] = [];
    const pool = new DecodePool(
      workers,
      bell,
      {
        ring: (index, ring) => {
          const message: ToDataPlane = { type: "ring", index, memory: ring };
          if (self === undefined) early.push(message);
          else self.send(message);
        },
        died: (index, error) => {
          self!.deaths.push(error);
          self!.engine.workerDied(index, error);
        },
      },
      memory.pool,
      times,
    );
    pool.seatAll();
    await pool.start();
    self = new TestPipeline(pool, hub, memory, times, bell);
    for (const message of early) self.deliver(message);
    self.engine = new StreamEngine(
      pool,
      { send: (message) => self.send(message) },
      {
        networkPassphrase: NETWORK,
        compat: "default",
        batchRowsMinTarget: 1000,
        batchBytesTarget: 1 << 20,
        batchBytesMax: 2 << 20,
        ledgerBytesMax: 64 << 20,
        flushIntervalMs: 5000,
        onError: "strict",
        verifyChain: true,
        memory,
        ...options,
      },
    );
    self.running = hub.run();
    return self;
  }

  /** Opens a stream and waits until the data plane has it. */
  async open(request: Partial<StreamRequest> & Pick<StreamRequest, "source">): Promise<[EngineStream, HubStream]> {
    const start = request.start ?? { ledger: 1, row: 0 };
    const stream = this.engine.open({
      id: "test",
      start,
      ledgerEnd: 0,
      filters: [{ ledgerFrom: start.ledger, filter: { includeDeleted: true } }],
      schemaVersion: 1,
      compression: "none",
      batchRows: 0,
      slotsMax: 100,
      ...request,
    });
    while (this.hub.stream(stream.number) === undefined) await new Promise((resolve) => setImmediate(resolve));
    return [stream, this.hub.stream(stream.number)!];
  }

  /** For messages of failed tests. */
  get state(): string {
    const output = insideOf(this.hub).readers.map((reader) => reader?.ring.usedBytes);
    const inFlight = this.engine.inFlight.usedBytes;
    return JSON.stringify({ input: this.inputBytes, output, inFlight, threads: this.threads, bell: this.bell.read() });
  }

  /** Ends one decode thread from outside, as the system would. Answers whether there was one. */
  async killWorker(pick: number): Promise<boolean> {
    const threads = insideOf(this.pool).piscina?.threads ?? [];
    const thread = threads[pick % Math.max(1, threads.length)];
    if (thread === undefined) return false;
    await thread.terminate();
    return true;
  }

  get threads(): number {
    return insideOf(this.pool).piscina?.threads.length ?? 0;
  }

  /** Bytes in each worker's input ring. */
  get inputBytes(): number[] {
    return Array.from({ length: this.pool.size }, (_, index) => this.pool.inputBytes(index));
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.pool.close();
    this.hub.close();
    this.bell.ring();
    await this.running;
  }

  private send(message: ToDataPlane): void {
    this.queue.push(message);
    if (this.queue.length === 1) {
      setImmediate(() => {
        for (const next of this.queue.splice(0)) this.deliver(next);
      });
    }
  }

  private deliver(message: ToDataPlane): void {
    const { hub } = this;
    const { type } = message;
    if (type === "ring") hub.ring(message.index, message.memory);
    else if (type === "open") hub.open(message.opening);
    else if (type === "end") hub.stream(message.stream)?.sourceEnded(message.spans, message.error);
    else if (type === "fail") hub.stream(message.stream)?.fail(Coded.fromRecord(message.error));
    else if (type === "resized") hub.stream(message.stream)?.resized();
    else if (type === "retire") hub.stream(message.stream)?.retire();
    else if (type === "forget") hub.forget(message.stream);
    else throw new Error(`the test pipeline has no use for ${type}`);
  }
}

/** Private parts that only tests look into. */
function insideOf(part: DecodePool | Hub): {
  piscina?: { threads: { terminate(): Promise<number> }[] };
  readers: { ring: { usedBytes: number } }[];
} {
  return part as never;
}

const encoder = new BatchEncoder({ schemaVersion: 1, networkPassphrase: NETWORK });
const schemaFront = encapsulate(schemaMessage(arrowSchema(encoder)));

/** Rows of one record batch, each as one line that tells it from all others. */
export function rowsOf(dataHeader: Uint8Array, dataBody: Uint8Array): string[] {
  const message = Buffer.concat([schemaFront, encapsulate(dataHeader), dataBody]);
  const table = tableFromIPC(message);
  const columns = ["ledger_sequence", "contract_id", "deleted", "key_xdr", "val_xdr"].map(
    (name) => table.getChild(name)!,
  );
  const rows: string[] = [];
  for (let row = 0; row < table.numRows; row++) rows.push(columns.map((column) => String(column.get(row))).join("|"));
  return rows;
}

export function rowsOfSlot(slot: Slot): string[] {
  return rowsOf(slot.dataHeader, slot.dataBody);
}

/** app_metadata of a batch. */
export function metadataOf(slot: Slot): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(slot.appMetadata)) as Record<string, unknown>;
}

/** Reads a stream to its end: all rows, and the metadata of all batches. @throws CodedError of the stream */
export async function readAll(
  stream: HubStream,
  each?: (slot: Slot) => void | Promise<void>,
): Promise<{ rows: string[]; metadata: Record<string, unknown>[] }> {
  const reader = stream.log.join(0);
  const rows: string[] = [];
  const metadata: Record<string, unknown>[] = [];
  try {
    for (;;) {
      const slot = await reader.next(() => performance.now());
      if (slot === undefined) return { rows, metadata };
      try {
        rows.push(...rowsOfSlot(slot));
        metadata.push(metadataOf(slot));
        await each?.(slot);
      } finally {
        slot.release();
      }
    }
  } finally {
    reader.leave();
  }
}

/** A source whose ledgers are made by a function. */
export class MadeSource implements LedgerSource {
  readonly description = "made ledgers";
  readonly seekable = true;
  /** Ledgers handed out. */
  read_ = 0;
  open = 0;

  constructor(private readonly make: (ledger: number, signal: AbortSignal) => LedgerObject | Promise<LedgerObject>) {}

  networkPassphrase(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  ledgerLatest(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async *read(start: number, end: number, signal: AbortSignal): AsyncGenerator<LedgerObject> {
    this.open += 1;
    try {
      for (let ledger = start; end === 0 || ledger <= end; ) {
        if (signal.aborted) return;
        const object = await this.make(ledger, signal);
        if (signal.aborted) return;
        this.read_ += 1;
        yield object;
        ledger = object.ledgerLast + 1;
      }
    } finally {
      this.open -= 1;
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** One uncompressed ledger as an object. */
export function plainObject(ledger: number, bytes: Uint8Array): LedgerObject {
  return {
    name: `made ledger ${ledger}`,
    ledgerFirst: ledger,
    ledgerLast: ledger,
    encoding: "none",
    container: "ledger",
    bytes,
  };
}
