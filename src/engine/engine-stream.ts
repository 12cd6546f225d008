/** One stream on the main thread: what it is to give, its pump, and how it ends. */
import { unlessAborted } from "../base/unless-aborted.ts";
import { CodedError } from "../error.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { ClientReport, StreamKind, ToDataPlane } from "../threads/data-plane-messages.ts";
import { StreamCell } from "../threads/stream-cell.ts";
import type { Traces } from "../tracing/traces.ts";
import type { Compat } from "../vocabulary/compat.ts";
import type { Compression } from "../vocabulary/compression.ts";
import type { Dataset } from "../vocabulary/dataset.ts";
import type { OnError } from "../vocabulary/on-error.ts";
import type { Partition } from "../vocabulary/partition.ts";
import type { Position } from "../vocabulary/position.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import { partCount } from "../vocabulary/stream-part.ts";
import type { DecodePool } from "../workers/pool.ts";
import type { AssetRecord, FilterStep, LedgerSkip, SpanDoneRecord, StreamSpec } from "../workers/records.ts";
import { AssetTable } from "./asset-table.ts";
import type { InFlight } from "./in-flight.ts";
import type { LargeLedgers } from "./large-ledgers.ts";
import type { MemoryGuard } from "./memory-guard.ts";
import type { MemoryPlan } from "./memory-plan.ts";
import { SourcePatience, type SourceWait } from "./source-patience.ts";
import { SpanPump } from "./span-pump.ts";
import { SpanTraces } from "./span-traces.ts";
import { StreamAssets } from "./stream-assets.ts";

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
  onError: OnError;
  verifyChain: boolean;
  memory: MemoryPlan;
  /** Absent: the plan alone holds memory. */
  guard?: MemoryGuard;
  /** Streams that there may be at once: SESSIONS_MAX and RANGES_MAX. Memory is kept for each of them. Default 1. */
  streamsMax?: number;
  /** Absent: there are no traces. */
  traces?: Traces;
  /** Default ASSET_DELAY_LEDGERS; tests make it small. */
  assetDelayLedgers?: number;
}

/** What a stream is to give: a range of a source's ledgers, and the form of its rows. */
export interface StreamRequest {
  /** Default "session". */
  kind?: StreamKind;
  /** Session or range id: goes into every batch's app_metadata. */
  id: string;
  source: LedgerSource;
  start: Position;
  /** First ledger of the session, where the stream begins after it; clients may ask for anything from there on. */
  ledgerStart?: number;
  /** Last ledger, inclusive; 0 = for ever. */
  ledgerEnd: number;
  /** Where to end inside `ledgerEnd`, if not after it. */
  end?: Position;
  /** At least one, in rising order; the first from `start` or before. */
  filters: FilterStep[];
  /** What is known of assets; absent: the native asset alone. */
  assets?: AssetTable;
  /** Whether its ledgers add to that. */
  learnsAssets?: boolean;
  /** Absent: contract data alone. */
  datasets?: readonly Dataset[];
  /** The version of contract data; other datasets have their newest up to it. */
  schemaVersion: SchemaVersion;
  columns?: string[];
  /** False: columns of words are text. Absent: dictionaries. */
  dictionaries?: boolean;
  compression: Compression;
  /** 0 = about the target size. */
  batchRows: number;
  /** Batches retained for the slowest client, of each part. */
  slotsMax: number;
  /** A stream that is over already: nothing is read, and clients get what they ask for from the source. */
  finished?: { error?: CodedError };
  /** As StreamOpening has it. */
  elsewhere?: string;
  /** At least 2: each dataset has so many parts, each with readers of its own (StreamPart). Absent: none. */
  partitions?: number;
  /** The partition of a session, where the stream is what a client of that partition has missed. */
  partition?: Partition;
  /** See PumpRange. */
  reserve?: (ledger: number) => number | Promise<number>;
  /** Called with ledgers that were left out (ON_ERROR=skip), of so many. */
  skipped?: (skips: readonly LedgerSkip[], count: number) => void;
  /** Present: it waits for its source rather than fail. Called at each failed try, and when ledgers come again. */
  sourceWaits?: (wait: SourceWait, over: boolean) => void;
}

/** The other end of the engine: the data plane, whatever thread it is on. */
export interface DataPlanePort {
  send(message: ToDataPlane): void;
  clientsOf?(stream: number): Promise<ClientReport[]>;
}

/** What all streams share. */
export interface EngineContext {
  readonly pool: DecodePool;
  readonly dataPlane: DataPlanePort;
  readonly options: EngineOptions;
  readonly inFlight: InFlight;
  readonly large: LargeLedgers;
  forgotten(stream: number): void;
}

/** One stream, from the start of its reading until the data plane has forgotten it. */
export class EngineStream {
  readonly cell: StreamCell;
  /** Resolved when the first span may begin; rejected never. */
  readonly started: Promise<void>;
  /** Resolved when every batch is in order in the data plane, or the stream has failed (with the error). */
  readonly over: Promise<CodedError | undefined>;
  private readonly assets: StreamAssets;
  private readonly patience: SourcePatience | undefined;
  private readonly traces: SpanTraces | undefined;
  private readonly abort = new AbortController();
  private pump: SpanPump | undefined;
  private settleOver: (error: CodedError | undefined) => void = () => {};
  private settleStarted: () => void = () => {};
  private over_ = false;
  /** Spans begun before its share of memory was last lowered. */
  private spansBeforeLowered = 0;
  private stopReason: CodedError | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    readonly request: StreamRequest,
    private readonly spec: StreamSpec,
    private readonly engine: EngineContext,
  ) {
    const parts = partCount(request);
    this.cell = StreamCell.create(parts === 1 ? 0 : parts);
    this.over = new Promise((resolve) => {
      this.settleOver = resolve;
    });
    this.started = new Promise((resolve) => {
      this.settleStarted = resolve;
    });
    this.cell.set("updatedUnixMs", Date.now());
    this.assets = new StreamAssets(request.assets ?? new AssetTable(), spec);
    const { traces } = engine.options;
    this.traces = traces && new SpanTraces(traces, { kind: request.kind ?? "session", id: request.id });
    const { sourceWaits, ledgerStart, start } = request;
    if (sourceWaits !== undefined) this.patience = new SourcePatience(ledgerStart ?? start.ledger, sourceWaits);
  }

  /** What it waits for, while its source fails. */
  get sourceWait(): SourceWait | undefined {
    return this.over_ || this.abort.signal.aborted ? undefined : this.patience?.wait;
  }

  get number(): number {
    return this.spec.stream;
  }

  /** Whether `over` is resolved. */
  get isOver(): boolean {
    return this.over_;
  }

  /** Whether it is a range, or has clients: then what it retains will go. */
  get isRead(): boolean {
    return (this.request.kind ?? "session") !== "session" || this.cell.get("clients") > 0;
  }

  /** Whether it has readers, and they have taken all that there is. */
  get isAwaited(): boolean {
    return this.isRead && this.cell.get("heldBytes") === 0;
  }

  /** Its share of memory: what its retained batches may take now. */
  get retainedBytesMax(): number {
    return this.cell.retainedBytesMax;
  }

  /** Called by the engine. */
  resize(retainedBytesMax: number): void {
    if (retainedBytesMax < this.retainedBytesMax) this.spansBeforeLowered = this.pump?.spanCount ?? 0;
    this.cell.setRetainedBytesMax(retainedBytesMax);
    this.engine.dataPlane.send({ type: "resized", stream: this.number });
  }

  /** What it retains; undefined while batches may come that a larger share has let in. */
  get retainedBytes(): number | undefined {
    const settled = this.cell.spansSequenced >= this.spansBeforeLowered; // first: it is counted after its batches
    return settled ? this.cell.get("retainedBytes") : undefined;
  }

  /** The filters in force, by ledger. */
  get filters(): readonly FilterStep[] {
    return this.spec.filters;
  }

  /**
   * Reads no more from the source. What has been read is still decoded and delivered, then the stream is over.
   * @param why with what its readers are ended; absent = as if it were complete
   */
  stop(why?: CodedError): void {
    this.stopReason ??= why;
    this.abort.abort();
    this.cell.bell.ring(); // wakes a pump that waits for credit
  }

  /** Ends the stream now: what is in order is delivered, then the error; the rest is dropped. */
  fail(error: CodedError): void {
    this.engine.dataPlane.send({ type: "fail", stream: this.number, error: error.toRecord() });
    this.stop(error);
  }

  /** The next ledger that no worker has been given yet. */
  get nextUndispatched(): number {
    return this.pump?.nextUndispatched ?? this.request.start.ledger;
  }

  /**
   * Another filter from the next ledger on that no worker has been given yet, and from `ledgerMin` at the earliest; the
   * same for all workers, since every ledger takes the filter that its number says. Answers with that ledger.
   */
  setFilter(filter: FilterRecord, ledgerMin = 0): number {
    const ledgerFrom = Math.max(this.nextUndispatched, ledgerMin);
    const { filters } = this.spec;
    while (filters.length > 0 && filters.at(-1)!.ledgerFrom >= ledgerFrom) filters.pop();
    filters.push({ ledgerFrom, filter });
    this.spec.revision += 1;
    return ledgerFrom;
  }

  /** Who reads it, and who has read it lately. */
  async clients(): Promise<ClientReport[]> {
    return (await this.engine.dataPlane.clientsOf?.(this.number)) ?? [];
  }

  /** The data plane keeps no batches of this stream, which is over; clients that ask for them get them from the source. */
  retire(): void {
    this.engine.dataPlane.send({ type: "retire", stream: this.number });
  }

  /** The data plane forgets the stream; readers that are left are ended. @param why with what; absent: it was removed */
  forget(why?: CodedError): void {
    this.engine.dataPlane.send({ type: "forget", stream: this.number, why: why?.toRecord() });
    this.engine.forgotten(this.number);
  }

  dependsOn(worker: number): boolean {
    return !this.over_ && this.pump?.dependsOn(worker) === true;
  }

  /** Called by the engine when the data plane says so. */
  learned(assets: readonly AssetRecord[]): void {
    this.assets.learned(assets);
    this.cell.bell.ring(); // a pump may wait for it
  }

  /** How many messages with learned assets have come; the cell counts those sent. */
  get learnedMessages(): number {
    return this.assets.messages;
  }

  /** Called by the engine when a traced span is in order. */
  traced(done: SpanDoneRecord, orderedUnixMs: number): void {
    this.traces?.finish(done, orderedUnixMs);
  }

  /** Called by the engine when the data plane says so. */
  ended(error: CodedError | undefined): void {
    if (this.over_) return;
    this.over_ = true;
    this.stop();
    this.pump?.discard();
    this.traces?.drop();
    // A span's end that is still on its way would open the stream in the worker again.
    void this.running.then(() => this.engine.pool.closeStream(this.number));
    this.settleOver(error);
  }

  /** Called once by the engine. */
  run(): void {
    this.running = this.pumpAll();
  }

  private async pumpAll(): Promise<void> {
    const { request, spec, engine } = this;
    let failure: CodedError | undefined;
    try {
      if (request.finished !== undefined) throw request.finished.error ?? FINISHED;
      await unlessAborted(checkNetwork(request.source, spec.networkPassphrase), this.abort.signal);
      this.pump = new SpanPump(
        engine.pool,
        spec,
        this.cell,
        request.source,
        this.assets,
        {
          ledgerStart: request.start.ledger,
          ledgerEnd: request.ledgerEnd,
          reserve: request.reserve,
          patience: this.patience,
        },
        {
          flushIntervalMs: engine.options.flushIntervalMs,
          inFlight: engine.inFlight,
          large: engine.large,
          asker: this,
          guard: engine.options.guard,
          slotsMax: request.slotsMax * partCount(request),
          traces: this.traces,
        },
        this.abort.signal,
      );
      this.settleStarted();
      await this.pump.run();
    } catch (thrown) {
      if (thrown !== FINISHED && thrown !== this.abort.signal.reason) failure = CodedError.from(thrown);
    }
    engine.dataPlane.send({
      type: "end",
      stream: this.number,
      spans: this.pump?.spanCount ?? 0,
      error: (failure ?? this.stopReason)?.toRecord(),
    });
  }
}

const FINISHED = Symbol("finished"); // leaves the pump without having begun

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
