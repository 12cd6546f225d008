/**
 * The main thread's side of all streams. A stream is a range of ledgers of one source, decoded by the shared workers
 * and kept in order by the data plane; a session is one, and so is a range that a ticket asks for.
 */

import { CodedError } from "../error.ts";
import { ASSET_DELAY_LEDGERS } from "../ledger/known-assets.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { ClientReport, StreamKind, ToDataPlane } from "../threads/data-plane-messages.ts";
import { StreamCell } from "../threads/stream-cell.ts";
import type { Compat } from "../vocabulary/compat.ts";
import type { Compression } from "../vocabulary/compression.ts";
import type { OnError } from "../vocabulary/on-error.ts";
import type { Partition } from "../vocabulary/partition.ts";
import type { Position } from "../vocabulary/position.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import type { DecodePool } from "../workers/pool.ts";
import type { AssetRecord, FilterStep, LedgerSkip, StreamSpec } from "../workers/records.ts";
import { AssetTable } from "./asset-table.ts";
import { InFlight } from "./in-flight.ts";
import type { MemoryGuard } from "./memory-guard.ts";
import type { MemoryPlan } from "./memory-plan.ts";
import { MemoryShares } from "./memory-shares.ts";
import { SourcePatience, type SourceWait } from "./source-patience.ts";
import { SpanPump } from "./span-pump.ts";
import { StreamAssets } from "./stream-assets.ts";

const SLOT_BYTES_FACTOR = 1.25; // memory of a retained batch, of its target size: header, metadata, size class
const SHARE_BATCHES_MIN = 1; // of the largest: then it goes from batch to batch until it is lent more
const ROOM_PART = 4; // of what a new stream has use for: with so much to spare, nothing is given up for it
const LEND_INTERVAL_MS = 100; // how soon a stream that somebody begins to read has more than its least share

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
  memory: MemoryPlan;
  /** Absent: the plan alone holds memory. */
  guard?: MemoryGuard;
  /** Streams that there may be at once: SESSIONS_MAX and RANGES_MAX. Memory is kept for each of them. Default 1. */
  streamsMax?: number;
  /** Default ASSET_DELAY_LEDGERS; tests make it small. */
  assetDelayLedgers?: number;
}

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
  schemaVersion: SchemaVersion;
  columns?: string[];
  compression: Compression;
  /** 0 = about the target size. */
  batchRows: number;
  /** Batches retained for the slowest client, of each partition. */
  slotsMax: number;
  /** A stream that is over already: nothing is read, and clients get what they ask for from the source. */
  finished?: { error?: CodedError };
  /** At least 2: so many parts, each with readers of its own (StreamPart). Absent: none. */
  partitions?: number;
  /** The partition of a session, where the stream is what a client of that partition has missed. */
  partition?: Partition;
  /** See PumpRange. */
  reserve?: (ledger: number) => number;
  /** Called with ledgers that were left out (ON_ERROR=skip), of so many. */
  skipped?: (skips: readonly LedgerSkip[], count: number) => void;
  /** Present: it waits for its source rather than fail. Called at each failed try, and when ledgers come again. */
  sourceWaits?: (wait: SourceWait, over: boolean) => void;
}

export class EngineStream {
  readonly cell: StreamCell;
  /** Resolved when the first span may begin; rejected never. */
  readonly started: Promise<void>;
  /** Resolved when every batch is in order in the data plane, or the stream has failed (with the error). */
  readonly over: Promise<CodedError | undefined>;
  private readonly assets: StreamAssets;
  private readonly patience: SourcePatience | undefined;
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
    this.cell = StreamCell.create(request.partitions);
    this.over = new Promise((resolve) => {
      this.settleOver = resolve;
    });
    this.started = new Promise((resolve) => {
      this.settleStarted = resolve;
    });
    this.cell.set("updatedUnixMs", Date.now());
    this.assets = new StreamAssets(request.assets ?? new AssetTable(), spec);
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

  /** The data plane forgets the stream; readers that are left are ended. */
  forget(): void {
    this.engine.dataPlane.send({ type: "forget", stream: this.number });
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

  /** Called by the engine when the data plane says so. */
  ended(error: CodedError | undefined): void {
    if (this.over_) return;
    this.over_ = true;
    this.stop();
    this.pump?.discard();
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
      await checkNetwork(request.source, spec.networkPassphrase);
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
          guard: engine.options.guard,
          slotsMax: request.slotsMax * (request.partitions ?? 1),
        },
        this.abort.signal,
      );
      this.settleStarted();
      await this.pump.run();
    } catch (thrown) {
      if (thrown !== FINISHED) failure = CodedError.from(thrown);
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

/** The other end of the engine: the data plane, whatever thread it is on. */
interface DataPlanePort {
  send(message: ToDataPlane): void;
  clientsOf?(stream: number): Promise<ClientReport[]>;
}

interface EngineContext {
  readonly pool: DecodePool;
  readonly dataPlane: DataPlanePort;
  readonly options: EngineOptions;
  readonly inFlight: InFlight;
  forgotten(stream: number): void;
}

export class StreamEngine implements EngineContext {
  /** All that the data plane knows; those that are over too, until they are forgotten. */
  private readonly streams = new Map<number, EngineStream>();
  private count = 0;
  readonly inFlight: InFlight;
  private readonly shares: MemoryShares;
  private lending: ReturnType<typeof setInterval> | undefined;

  constructor(
    readonly pool: DecodePool,
    readonly dataPlane: DataPlanePort,
    readonly options: EngineOptions,
  ) {
    this.inFlight = new InFlight(options.memory.inFlightBytesMax);
    this.shares = new MemoryShares(
      options.memory.streamsBytesMax,
      SHARE_BATCHES_MIN * options.batchBytesMax,
      options.streamsMax ?? 1,
    );
  }

  /**
   * Starts a stream. What goes wrong later comes through `over`.
   * @throws CodedError RESOURCE_EXHAUSTED / MEMORY_EXHAUSTED where no share of memory is left for it
   */
  open(request: StreamRequest): EngineStream {
    const number = this.count + 1;
    if (request.finished === undefined) this.admit(number, request);
    this.count = number;
    const { networkPassphrase, compat, batchRowsMinTarget, batchBytesTarget, batchBytesMax, ledgerBytesMax } =
      this.options;
    const stream = new EngineStream(
      request,
      {
        stream: number,
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
        onError: this.options.onError,
        assetDelayLedgers: request.learnsAssets ? (this.options.assetDelayLedgers ?? ASSET_DELAY_LEDGERS) : undefined,
        partitions: request.partitions,
      },
      this,
    );
    this.streams.set(number, stream);
    stream.cell.setRetainedBytesMax(this.shares.of(number));
    this.dataPlane.send({
      type: "open",
      opening: {
        stream: number,
        kind: request.kind ?? "session",
        id: request.id,
        cell: stream.cell.memory,
        start: request.start,
        ledgerStart: request.ledgerStart ?? request.start.ledger,
        ledgerEnd: request.ledgerEnd,
        networkPassphrase,
        schemaVersion: request.schemaVersion,
        columns: request.columns,
        batchRows: request.batchRows,
        compression: request.compression,
        slotsMax: request.slotsMax,
        partitions: request.partitions,
        partition: request.partition,
        seekable: request.source.seekable,
        flushIntervalMs: this.options.flushIntervalMs,
      },
    });
    this.lend();
    this.lending ??= setInterval(() => this.lend(), LEND_INTERVAL_MS).unref();
    stream.run();
    return stream;
  }

  /**
   * The least share of memory for a new stream. Batches of streams that are over, which are kept for late clients, make
   * room for more: those clients get them from the source again.
   */
  private admit(number: number, { slotsMax, partitions = 1 }: StreamRequest): void {
    const wanted = partitions * slotsMax * Math.ceil(this.options.batchBytesTarget * SLOT_BYTES_FACTOR);
    this.settleShares();
    for (const stream of this.streams.values()) {
      if (this.shares.spareBytes >= wanted / ROOM_PART) break;
      if (!stream.isOver || stream.cell.get("retainedBytes") === 0) continue;
      stream.retire();
      if (stream.cell.get("clients") === 0) this.shares.keep(stream.number, 0);
    }
    this.shares.admit(number, partitions * SHARE_BATCHES_MIN * this.options.batchBytesMax, wanted);
  }

  /** Takes note of what streams have given back. */
  private settleShares(): void {
    for (const stream of this.streams.values()) {
      const { isOver, number, cell, retainedBytes } = stream;
      if (isOver) this.shares.keep(number, cell.get("retainedBytes"));
      else if (retainedBytes !== undefined) this.shares.settle(number, retainedBytes);
    }
  }

  /** Divides memory by what streams need now. */
  private lend(): void {
    this.settleShares();
    for (const number of this.shares.lend((stream) => this.streams.get(stream)?.isRead === true)) {
      this.streams.get(number)?.resize(this.shares.of(number));
    }
  }

  /** A stream that has not been forgotten. */
  stream(number: number): EngineStream | undefined {
    return this.streams.get(number);
  }

  /** The data plane still says when it is over. */
  forgotten(number: number): void {
    void this.streams.get(number)?.over.then(() => {
      this.streams.delete(number);
      this.shares.drop(number);
      if (this.streams.size > 0) return;
      clearInterval(this.lending);
      this.lending = undefined;
    });
  }

  /** What a span that is in order has taught. */
  learned(stream: number, assets: readonly AssetRecord[]): void {
    this.streams.get(stream)?.learned(assets);
  }

  /** What a span that is in order has left out. */
  skipped(stream: number, skips: readonly LedgerSkip[], count: number): void {
    this.streams.get(stream)?.request.skipped?.(skips, count);
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
