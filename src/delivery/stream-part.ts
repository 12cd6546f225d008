/**
 * What the clients of a stream read: its log, and who they are. A stream has one part, or one for each partition of each
 * of its datasets; each is read by itself, with its own clients, cursors and retained batches.
 */
import { unixNowMs } from "../base/unix-time.ts";
import { BatchEncoder } from "../columns/batch-encoder.ts";
import type { CodedError } from "../error.ts";
import { RowSet } from "../ledger/row-set.ts";
import { comparePositions, encodeCursor } from "../threads/cursor.ts";
import type { ClientReport, StreamOpening } from "../threads/data-plane-messages.ts";
import { type Counters, StreamCell } from "../threads/stream-cell.ts";
import type { LedgerChainEnds } from "../vocabulary/chain-ends.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";
import { align8, type BatchRecord, type SpanDoneRecord } from "../workers/records.ts";
import { alignedMetadata } from "./body-alignment.ts";
import { Slot, type SlotPool } from "./slot.ts";
import type { StreamClient } from "./stream-client.ts";
import { type LogLimits, StreamLog } from "./stream-log.ts";

const CLIENTS_LEFT_MAX = 100; // of a stream's clients that have left; the last ones are remembered
const PROGRESS_LEDGERS = 1000; // without rows; then readers are told how far the stream is, as after FLUSH_INTERVAL

/** One part of a stream: its log and its clients. */
export class StreamPart {
  readonly log: StreamLog;
  private readonly stream: StreamCell;
  /** Who reads it now, catching up or not. */
  readonly clients = new Set<StreamClient>();
  /** Both ends of the chain of all its ledgers, once it is over and where the chain is known. */
  chain: LedgerChainEnds | undefined;
  private readonly left: ClientReport[] = [];
  /** The last span that is in order, while no batch says that it is. */
  private pendingProgress: SpanDoneRecord | undefined;
  private pendingLedgers = 0;
  private pendingTimer: ReturnType<typeof setTimeout> | undefined;
  private saidAtMs = performance.now();

  /**
   * @param opening of the stream, with this part's dataset, schema version and partition
   * @param number the part's among the stream's
   * @param cell its counters; those that add up are added to the stream's too
   * @param retainedBytesMax its part of the stream's memory, now
   * @param changed called when its log's fullness or the number of its clients may have changed
   */
  constructor(
    readonly opening: StreamOpening,
    private readonly number: number,
    readonly cell: Counters,
    private readonly pool: SlotPool,
    retainedBytesMax: () => number,
    private readonly changed: () => void,
  ) {
    this.stream = new StreamCell(opening.cell);
    const { start, slotsMax } = opening;
    const limits: LogLimits = {
      slotsMax,
      get retainedBytesMax() {
        return retainedBytesMax();
      },
    };
    this.log = new StreamLog(start, limits, () => this.logChanged());
  }

  /** Whether the node's lease of the session has ended, so that another one may run it. */
  get isLeaseOver(): boolean {
    const untilMs = this.stream.leaseUntilMs;
    return untilMs > 0 && unixNowMs() >= untilMs;
  }

  get over(): boolean {
    return this.log.ending !== undefined;
  }

  addClient(client: StreamClient): void {
    this.clients.add(client);
    this.cell.set("clients", this.clients.size);
    this.changed();
  }

  removeClient(client: StreamClient): void {
    if (!this.clients.delete(client)) return;
    this.cell.set("clients", this.clients.size);
    this.changed();
    this.left.push({ ...this.reportOf(client), leftUnixMs: Date.now() });
    if (this.left.length > CLIENTS_LEFT_MAX) this.left.shift();
  }

  /** Who reads it and who has read it, with what each had; the earliest that left first. */
  clientReports(): ClientReport[] {
    return [...this.left, ...[...this.clients].map((client) => this.reportOf(client))];
  }

  /** A client has been sent so much. */
  sent(rows: number, bytes: number): void {
    this.cell.add("rowsSent", rows);
    this.cell.add("bytesSent", bytes);
  }

  /** The next batch in order. */
  emit(slot: Slot): void {
    const { record } = slot;
    this.cell.add("rows", record.rows);
    this.cell.add("batches", 1);
    this.cell.add("batchBytes", record.headerBytes + record.bodyBytes);
    if (record.ledgerComplete >= this.opening.ledgerStart) this.cell.set("ledgerCurrent", record.ledgerComplete);
    this.said();
    this.log.append(slot);
  }

  /** All batches of the span are in order. */
  spanDone(done: SpanDoneRecord): void {
    if (done.ledgerLast > 0) {
      this.cell.set("ledgerCurrent", done.ledgerLast);
      if (done.closedAtUnixSeconds > 0) this.cell.set("closedAtUnixSeconds", done.closedAtUnixSeconds);
    }
    this.sayProgress(done);
  }

  finish(error: CodedError | undefined, chain: LedgerChainEnds | undefined): void {
    this.chain = chain;
    this.appendProgress(); // the last cursor is behind the last ledger, rows or not
    this.said();
    this.log.finish(error);
  }

  /** Tells readers how far the stream is by a batch without rows, at once where that is due, else later. */
  private sayProgress(done: SpanDoneRecord): void {
    if (done.ledgerLast === 0 || comparePositions(done.next, this.log.endPosition) <= 0) return;
    this.pendingProgress = done;
    this.pendingLedgers += done.ledgers + done.ledgersSkipped;
    const ageMs = performance.now() - this.saidAtMs;
    const { flushIntervalMs } = this.opening;
    if (done.skipped !== undefined || this.pendingLedgers >= PROGRESS_LEDGERS || ageMs >= flushIntervalMs) {
      this.appendProgress();
    } else this.pendingTimer ??= setTimeout(() => this.appendProgress(), flushIntervalMs - ageMs);
  }

  private appendProgress(): void {
    const done = this.pendingProgress;
    if (done === undefined || this.log.ending !== undefined) return;
    const { stream, span, next, skipped, closedAtUnixSeconds } = done;
    this.said();
    const { front, bytes } = emptyBatch(this.opening);
    const record: BatchRecord = {
      stream,
      span,
      ledgerFirst: this.log.endPosition.ledger,
      ledgerLast: done.ledgerLast,
      ledgerComplete: next.ledger - 1,
      closedAtUnixSeconds: closedAtUnixSeconds || this.cell.get("closedAtUnixSeconds"),
      rows: 0,
      next,
      filterFrom: done.filterFrom,
      headerBytes: front,
      bodyBytes: bytes.length - align8(front),
    };
    if (skipped !== undefined) record.skipped = skipped;
    if (this.number > 0) record.part = this.number;
    this.log.append(new Slot(this.pool, record, bytes, appMetadata(this.opening, record)));
  }

  private said(): void {
    this.pendingProgress = undefined;
    this.pendingLedgers = 0;
    clearTimeout(this.pendingTimer);
    this.pendingTimer = undefined;
    this.saidAtMs = performance.now();
  }

  private reportOf({ peer, rows, batches, bytes, joinedUnixMs }: StreamClient): ClientReport {
    const { dataset = DATASET_DEFAULT, partition } = this.opening;
    return { peer, rows, batches, bytes, joinedUnixMs, leftUnixMs: 0, dataset, partition: partition?.index };
  }

  private logChanged(): void {
    this.cell.set("retainedBytes", this.log.retainedBytes);
    this.cell.set("heldBytes", this.log.heldBytes);
    this.cell.set("heldBatches", this.log.heldBatches);
    this.changed();
  }
}

/** A record batch of no rows: its header's size, and header, padding and body as a worker lays them down. */
function emptyBatch(opening: StreamOpening): { front: number; bytes: Uint8Array } {
  const encoder = new BatchEncoder(opening);
  const rows = new RowSet();
  const plan = encoder.plan(rows, 0, 0);
  const header = encoder.header(plan);
  const bytes = new Uint8Array(align8(header.length) + plan.bodyBytes);
  bytes.set(header);
  encoder.write(rows, plan, bytes, align8(header.length));
  return { front: header.length, bytes };
}

const encoder = new TextEncoder();

/** The JSON that goes with every batch, with the spaces that align its body. */
export function appMetadata(opening: StreamOpening, record: BatchRecord): Uint8Array {
  const { kind, id, dataset, partition } = opening;
  const json = encoder.encode(
    JSON.stringify({
      [kind === "range" ? "range" : "session"]: id,
      dataset: dataset === DATASET_DEFAULT ? undefined : dataset,
      partition,
      ledger_first: record.ledgerFirst,
      ledger_last: record.ledgerLast,
      ledger_complete: record.ledgerComplete,
      closed_at: record.closedAtUnixSeconds,
      rows: record.rows,
      skipped_ledgers: record.skipped,
      filters_from: record.filterFrom,
      cursor: encodeCursor(record.next, opening),
    }),
  );
  return alignedMetadata(json, record.headerBytes, record.bodyBytes);
}
