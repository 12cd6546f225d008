/**
 * The main thread's side of all streams. A stream is a range of ledgers of one source, decoded by the shared workers
 * and kept in order by the data plane; a session is one, and so is a range that a ticket asks for.
 */
import type { SchemaVersion } from "../columns/batch-encoder.ts";
import { CodedError } from "../error.ts";
import type { Compat } from "../ledger/decoder.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { DecodePool } from "../workers/pool.ts";
import type { Compression, FilterRecord, FilterStep, Position, StreamSpec } from "../workers/records.ts";
import type { DataPlaneClient } from "./data-plane-client.ts";
import { SpanPump } from "./span-pump.ts";
import { StreamCell } from "./stream-cell.ts";

/** What all streams of this process have in common; from the configuration. */
export interface EngineOptions {
  networkPassphrase: string;
  compat: Compat;
  /** Rows that an unset batch size never goes below, as far as `batchBytesMax` allows. */
  batchRowsMinTarget: number;
  batchBytesTarget: number;
  batchBytesMax: number;
  ledgerBytesMax: number;
  flushIntervalMs: number;
}

export interface StreamRequest {
  /** Session or range id: goes into every batch's app_metadata. */
  id: string;
  source: LedgerSource;
  start: Position;
  /** Last ledger, inclusive; 0 = for ever. */
  ledgerEnd: number;
  /** Where to end inside `ledgerEnd`, if not after it. */
  end?: Position;
  /** At least one, in rising order; the first from `start` or before. */
  filters: FilterStep[];
  schemaVersion: SchemaVersion;
  columns?: string[];
  compression: Compression;
  /** 0 = about the target size. */
  batchRows: number;
  /** Batches retained for the slowest client, and their memory. */
  slotsMax: number;
  retainedBytesMax: number;
}

export class EngineStream {
  readonly cell = StreamCell.create();
  /** Resolved when the first span may begin; rejected never. */
  readonly started: Promise<void>;
  /** Resolved when every batch is in order in the data plane, or the stream has failed (with the error). */
  readonly over: Promise<CodedError | undefined>;
  private readonly abort = new AbortController();
  private pump: SpanPump | undefined;
  private settleOver: (error: CodedError | undefined) => void = () => {};
  private settleStarted: () => void = () => {};
  private isOver = false;

  constructor(
    readonly request: StreamRequest,
    private readonly spec: StreamSpec,
    private readonly engine: EngineContext,
  ) {
    this.over = new Promise((resolve) => {
      this.settleOver = resolve;
    });
    this.started = new Promise((resolve) => {
      this.settleStarted = resolve;
    });
    this.cell.set("updatedUnixMs", Date.now());
  }

  get number(): number {
    return this.spec.stream;
  }

  /** The filters in force, by ledger. */
  get filters(): readonly FilterStep[] {
    return this.spec.filters;
  }

  /** Reads no more from the source. What has been read is still decoded and delivered, then the stream is over. */
  stop(): void {
    this.abort.abort();
    this.cell.bell.ring(); // wakes a pump that waits for credit
  }

  /**
   * Another filter from the next ledger on that no worker has been given yet; the same for all workers, since every
   * ledger takes the filter that its number says. Answers with that ledger.
   */
  setFilter(filter: FilterRecord): number {
    const ledgerFrom = this.pump?.nextUndispatched ?? this.request.start.ledger;
    const { filters } = this.spec;
    if (filters.at(-1)!.ledgerFrom >= ledgerFrom) filters.pop();
    filters.push({ ledgerFrom, filter });
    this.spec.revision += 1;
    return ledgerFrom;
  }

  /** The data plane forgets the batches; readers that are left are ended. */
  forget(): void {
    this.engine.dataPlane.send({ type: "forget", stream: this.number });
  }

  dependsOn(worker: number): boolean {
    return !this.isOver && this.pump?.dependsOn(worker) === true;
  }

  /** Called by the engine when the data plane says so. */
  ended(error: CodedError | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.stop();
    void this.engine.pool.closeStream(this.number);
    this.settleOver(error);
  }

  async run(): Promise<void> {
    const { request, spec, engine } = this;
    let failure: CodedError | undefined;
    try {
      await checkNetwork(request.source, spec.networkPassphrase);
      this.pump = new SpanPump(
        engine.pool,
        spec,
        this.cell,
        request.source,
        { ledgerStart: request.start.ledger, ledgerEnd: request.ledgerEnd },
        engine.options.flushIntervalMs,
        this.abort.signal,
      );
      this.settleStarted();
      await this.pump.run();
    } catch (thrown) {
      failure = CodedError.from(thrown);
    }
    engine.dataPlane.send({
      type: "end",
      stream: this.number,
      spans: this.pump?.spanCount ?? 0,
      error: failure?.toRecord(),
    });
  }
}

interface EngineContext {
  readonly pool: DecodePool;
  readonly dataPlane: DataPlaneClient;
  readonly options: EngineOptions;
}

export class StreamEngine implements EngineContext {
  private readonly streams = new Map<number, EngineStream>();
  private count = 0;

  constructor(
    readonly pool: DecodePool,
    readonly dataPlane: DataPlaneClient,
    readonly options: EngineOptions,
  ) {}

  /** Starts a stream. Its errors come through `over`. */
  open(request: StreamRequest): EngineStream {
    const { networkPassphrase, compat, batchRowsMinTarget, batchBytesTarget, batchBytesMax, ledgerBytesMax } =
      this.options;
    const stream = new EngineStream(
      request,
      {
        stream: ++this.count,
        revision: 1,
        networkPassphrase,
        compat,
        filters: [...request.filters],
        schemaVersion: request.schemaVersion,
        columns: request.columns,
        compression: request.compression,
        start: request.start,
        end: request.end,
        batchRowsMax: request.batchRows,
        batchRowsMinTarget,
        batchBytesTarget,
        batchBytesMax,
        ledgerBytesMax,
      },
      this,
    );
    this.streams.set(stream.number, stream);
    void stream.over.then(() => this.streams.delete(stream.number));
    this.dataPlane.send({
      type: "open",
      opening: {
        stream: stream.number,
        id: request.id,
        cell: stream.cell.memory,
        start: request.start,
        ledgerStart: request.start.ledger,
        ledgerEnd: request.ledgerEnd,
        networkPassphrase,
        schemaVersion: request.schemaVersion,
        columns: request.columns,
        slotsMax: request.slotsMax,
        retainedBytesMax: request.retainedBytesMax,
      },
    });
    void stream.run();
    return stream;
  }

  /** The data plane has put a stream's last batch in order, or given it up. */
  ended(stream: number, error: CodedError | undefined): void {
    this.streams.get(stream)?.ended(error);
  }

  /** Streams with work on a dead worker fail; the others go on. */
  workerDied(index: number, error: CodedError): void {
    for (const stream of this.streams.values()) {
      if (!stream.dependsOn(index)) continue;
      const ledger = stream.cell.get("ledgerCurrent");
      const message = `${error.message}; ledger ${ledger} is the last complete one`;
      this.dataPlane.send({
        type: "fail",
        stream: stream.number,
        error: { code: error.code, reason: error.reason, message },
      });
    }
  }
}

/** A source that names its network must name ours. */
async function checkNetwork(source: LedgerSource, networkPassphrase: string): Promise<void> {
  const theirs = await source.networkPassphrase();
  if (theirs === undefined || theirs === networkPassphrase) return;
  throw new CodedError(
    "FAILED_PRECONDITION",
    "NETWORK_MISMATCH",
    `${source.description} holds "${theirs}", but NETWORK_PASSPHRASE is "${networkPassphrase}"`,
  );
}
