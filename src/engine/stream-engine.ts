/**
 * The main thread's side of all streams. A stream is a range of ledgers of one source, decoded by the shared workers
 * and kept in order by the data plane; a session is one, and so is a range that a ticket asks for.
 */
import type { CodedError } from "../error.ts";
import { ASSET_DELAY_LEDGERS } from "../ledger/known-assets.ts";
import type { StreamOpening } from "../threads/data-plane-messages.ts";
import { partCount } from "../vocabulary/stream-part.ts";
import type { DecodePool } from "../workers/pool.ts";
import type { AssetRecord, LedgerSkip, SpanDoneRecord, StreamSpec } from "../workers/records.ts";
import {
  type DataPlanePort,
  type EngineContext,
  type EngineOptions,
  EngineStream,
  type StreamRequest,
} from "./engine-stream.ts";
import { InFlight } from "./in-flight.ts";
import { LargeLedgers } from "./large-ledgers.ts";
import { MemoryShares } from "./memory-shares.ts";

const SLOT_BYTES_FACTOR = 1.25; // memory of a retained batch, of its target size: header, metadata, size class
const SHARE_BATCHES_MIN = 1; // of the largest: then it goes from batch to batch until it is lent more
const ROOM_PART = 4; // of what a new stream has use for: with so much to spare, nothing is given up for it
const LEND_INTERVAL_MS = 100; // how soon a stream that somebody begins to read has more than its least share

/** Opens streams, divides memory among them, and passes on what the data plane and the workers say of them. */
export class StreamEngine implements EngineContext {
  /** All that the data plane knows; those that are over too, until they are forgotten. */
  private readonly streams = new Map<number, EngineStream>();
  private count = 0;
  readonly inFlight: InFlight;
  readonly large: LargeLedgers;
  private readonly shares: MemoryShares;
  private lending: ReturnType<typeof setInterval> | undefined;

  constructor(
    readonly pool: DecodePool,
    readonly dataPlane: DataPlanePort,
    readonly options: EngineOptions,
  ) {
    this.inFlight = new InFlight(options.memory.inFlightBytesMax);
    this.large = new LargeLedgers(options.memory.streamsBytesMax, this.inFlight, () => this.heldBytes());
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
    const stream = new EngineStream(request, specOf(number, request, this.options), this);
    this.streams.set(number, stream);
    stream.cell.setRetainedBytesMax(this.shares.of(number));
    this.dataPlane.send({ type: "open", opening: openingOf(stream, this.options) });
    this.lend();
    this.lending ??= setInterval(() => this.lend(), LEND_INTERVAL_MS).unref();
    stream.run();
    return stream;
  }

  /**
   * The least share of memory for a new stream. Batches of streams that are over, which are kept for late clients, make
   * room for more: those clients get them from the source again.
   */
  private admit(number: number, request: StreamRequest): void {
    const parts = partCount(request);
    const wanted = parts * request.slotsMax * Math.ceil(this.options.batchBytesTarget * SLOT_BYTES_FACTOR);
    this.settleShares();
    for (const stream of this.streams.values()) {
      if (this.shares.spareBytes >= wanted / ROOM_PART) break;
      if (!stream.isOver || stream.cell.get("retainedBytes") === 0) continue;
      stream.retire();
      if (stream.cell.get("clients") === 0) this.shares.keep(stream.number, 0);
    }
    this.shares.admit(number, parts * SHARE_BATCHES_MIN * this.options.batchBytesMax, wanted);
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

  /** What streams hold for their readers, and for those to come. */
  private heldBytes(): { read: number; unread: number } {
    const held = { read: 0, unread: 0 };
    for (const { isRead, cell } of this.streams.values()) held[isRead ? "read" : "unread"] += cell.get("heldBytes");
    return held;
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

  /** A traced span is in order. */
  traced(stream: number, done: SpanDoneRecord, orderedUnixMs: number): void {
    this.streams.get(stream)?.traced(done, orderedUnixMs);
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

/** What the workers are to know of a stream. */
function specOf(stream: number, request: StreamRequest, options: EngineOptions): StreamSpec {
  return {
    stream,
    revision: 1,
    networkPassphrase: options.networkPassphrase,
    compat: options.compat,
    filters: [...request.filters],
    datasets: request.datasets,
    schemaVersion: request.schemaVersion,
    columns: request.columns,
    dictionaries: request.dictionaries,
    compression: request.compression,
    start: request.start,
    end: request.end,
    batchRowsMax: request.batchRows,
    batchRowsMinTarget: options.batchRowsMinTarget,
    batchBytesTarget: options.batchBytesTarget,
    batchBytesMax: options.batchBytesMax,
    ledgerBytesMax: options.ledgerBytesMax,
    onError: options.onError,
    verifyChain: options.verifyChain,
    assetDelayLedgers: request.learnsAssets ? (options.assetDelayLedgers ?? ASSET_DELAY_LEDGERS) : undefined,
    partitions: request.partitions,
  };
}

/** What the data plane is to know of a stream. */
function openingOf({ number, request, cell }: EngineStream, options: EngineOptions): StreamOpening {
  return {
    stream: number,
    kind: request.kind ?? "session",
    id: request.id,
    cell: cell.memory,
    start: request.start,
    ledgerStart: request.ledgerStart ?? request.start.ledger,
    ledgerEnd: request.ledgerEnd,
    networkPassphrase: options.networkPassphrase,
    datasets: request.datasets,
    schemaVersion: request.schemaVersion,
    includesDeleted: request.filters[0]?.filter.includeDeleted,
    columns: request.columns,
    dictionaries: request.dictionaries,
    batchRows: request.batchRows,
    compression: request.compression,
    slotsMax: request.slotsMax,
    partitions: request.partitions,
    partition: request.partition,
    seekable: request.source.seekable,
    flushIntervalMs: options.flushIntervalMs,
    elsewhere: request.elsewhere,
  };
}
