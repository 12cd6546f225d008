/** One stream as the data plane keeps it: its order, its parts and their readers. */
import { unixNowMs } from "../base/unix-time.ts";
import { versionBeside } from "../columns/datasets.ts";
import { CodedError, type ErrorRecord } from "../error.ts";
import type { ClientReport, StreamOpening } from "../threads/data-plane-messages.ts";
import { type Counter, StreamCell } from "../threads/stream-cell.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import { partCount, partNames } from "../vocabulary/stream-part.ts";
import type { AssetRecord, BatchRecord, LedgerSkip, SpanDoneRecord } from "../workers/records.ts";
import { Sequencer } from "./sequencer.ts";
import type { Slot, SlotPool } from "./slot.ts";
import type { StreamLog, StreamReader } from "./stream-log.ts";
import { StreamPart } from "./stream-part.ts";

/** One stream, open or ended. */
export class HubStream {
  readonly cell: StreamCell;
  /** In the order of `partNames`. */
  readonly parts: readonly StreamPart[];
  readonly sequencer: Sequencer;
  /** Spans in all, once the source has ended. */
  private spansTotal: number | undefined;
  private sourceError: CodedError | undefined;
  private over_ = false;

  constructor(
    readonly opening: StreamOpening,
    pool: SlotPool,
    private readonly ended: (error: CodedError | undefined) => void,
    private readonly tellLearned: (assets: AssetRecord[]) => void = () => {},
    private readonly tellSkipped: (skips: LedgerSkip[], count: number) => void = () => {},
    private readonly tellTraced: (done: SpanDoneRecord, orderedUnixMs: number) => void = () => {},
  ) {
    this.cell = new StreamCell(opening.cell);
    const changed = () => this.partsChanged();
    const retainedBytesMax = () => Math.floor(this.cell.retainedBytesMax / partCount(opening));
    this.parts = this.openingsOfParts().map((each, index) => {
      const cell = this.isShared ? this.cell.part(index) : this.cell;
      return new StreamPart(each, index, cell, pool, retainedBytesMax, changed);
    });
    this.sequencer = new Sequencer(
      opening.start,
      (slot) => this.emit(slot),
      (done) => this.spanDone(done),
    );
    this.partsChanged(); // opens the gate
  }

  /** Whether it has several parts, each read by itself. */
  get isShared(): boolean {
    return partCount(this.opening) > 1;
  }

  hasDataset(dataset: Dataset): boolean {
    return (this.opening.datasets ?? [DATASET_DEFAULT]).includes(dataset);
  }

  /** One for each partition of the dataset. */
  partsOf(dataset: Dataset): readonly StreamPart[] {
    return this.parts.filter(({ opening }) => opening.dataset === dataset);
  }

  /** The log of its first part; all end together. */
  get log(): StreamLog {
    return this.parts[0]!.log;
  }

  get over(): boolean {
    return this.over_;
  }

  /** With what it has ended. */
  get error(): CodedError | undefined {
    return this.log.ending?.error;
  }

  sourceEnded(spans: number, error: ErrorRecord | undefined): void {
    this.spansTotal = spans;
    this.sourceError = error === undefined ? undefined : CodedError.fromRecord(error);
    this.finishWhenComplete();
  }

  fail(error: CodedError): void {
    if (this.over) {
      this.cut(error);
      return;
    }
    this.cell.add("errors", 1);
    this.finish(error);
  }

  /** Batches and spans that have left the workers and wait for an earlier one. */
  get waitingSpans(): number {
    return this.sequencer.waitingSpans;
  }

  dispose(why?: CodedError): void {
    const error = why ?? new CodedError("NOT_FOUND", "SESSION_GONE", `session ${this.opening.id} has been removed`);
    this.finish(error);
    this.cut(error);
    for (const { log } of this.parts) log.dispose();
  }

  /** Its share of memory is another one now. */
  resized(): void {
    for (const { log } of this.parts) log.moved();
  }

  /** Keeps no batches for those who come late. */
  retire(): void {
    for (const { log } of this.parts) log.retire();
  }

  /** Who reads it and who has read it, with what each had; of each part the earliest that left first. */
  clientReports(): ClientReport[] {
    return this.parts.flatMap((part) => part.clientReports());
  }

  /** As StreamLog.slowReaders; parts hold each other back as the readers of one log do. */
  slowReaders(nowMs: number, graceMs: number): StreamReader[] {
    const waiting = this.parts.filter(({ log }) => log.hasWaitingReader);
    return this.parts.flatMap((part) => {
      const othersWait = waiting.some((other) => other !== part);
      const slow = part.log.slowReaders(nowMs, graceMs, othersWait);
      // What nobody reads is there for who comes late, as long as nobody else has to wait for that one.
      if (othersWait && this.opening.seekable && part.log.unreadHeldMs > graceMs) part.log.leaveUnattended();
      return slow;
    });
  }

  /** The readers that still have something to read are ended. */
  private cut(error: CodedError): void {
    for (const { log } of this.parts) log.cut(error);
  }

  private openingsOfParts(): StreamOpening[] {
    const { opening } = this;
    return partNames(opening).map(({ dataset = DATASET_DEFAULT, partition = opening.partition }) => ({
      ...{ ...opening, dataset, partition },
      schemaVersion: versionBeside(dataset, opening.schemaVersion),
    }));
  }

  /** The main thread has it before any client has the batch, so that whoever reads this again can be given the same. */
  private learned({ learned }: BatchRecord | SpanDoneRecord): void {
    if (learned === undefined) return;
    this.tellLearned(learned);
    this.cell.add("learnedMessages", 1);
  }

  private emit(slot: Slot): void {
    this.learned(slot.record);
    this.parts[slot.record.part ?? 0]!.emit(slot);
  }

  private spanDone(done: SpanDoneRecord): void {
    this.learned(done);
    this.cell.add("ledgers", done.ledgers);
    this.cell.add("rowsFiltered", done.rowsFiltered);
    this.cell.add("xdrBytes", done.xdrBytes);
    if (done.ledgerLast > 0) {
      this.cell.set("ledgerCurrent", done.ledgerLast);
      if (done.closedAtUnixSeconds > 0) this.cell.set("closedAtUnixSeconds", done.closedAtUnixSeconds);
    }
    if (done.ledgersSkipped > 0) {
      this.cell.add("ledgersSkipped", done.ledgersSkipped);
      this.cell.add("errors", done.ledgersSkipped);
      this.tellSkipped(done.skips ?? [], done.ledgersSkipped);
    }
    this.cell.set("updatedUnixMs", Date.now());
    for (const part of this.parts) part.spanDone(done);
    if (done.trace !== undefined) this.tellTraced(done, unixNowMs());
    if (done.error !== undefined) this.fail(CodedError.fromRecord(done.error));
    this.cell.spanSequenced();
    this.finishWhenComplete();
  }

  private finishWhenComplete(): void {
    if (this.spansTotal === undefined || this.over || this.sequencer.current < this.spansTotal) return;
    if (this.sourceError !== undefined) this.cell.add("errors", 1);
    this.finish(this.sourceError);
  }

  private finish(error: CodedError | undefined): void {
    if (this.over) return;
    this.over_ = true;
    for (const part of this.parts) part.finish(error, this.sequencer.chain);
    this.sequencer.dispose();
    this.cell.set("updatedUnixMs", Date.now());
    this.ended(error);
  }

  /** The gate is open while every part has room. */
  private partsChanged(): void {
    const { cell, parts } = this;
    cell.setOpen(!parts.some(({ log }) => log.full));
    if (!this.isShared) return;
    const sum = (counter: Counter) => parts.reduce((all, part) => all + part.cell.get(counter), 0);
    const most = (counter: Counter) => Math.max(...parts.map((part) => part.cell.get(counter)));
    cell.set("clients", sum("clients"));
    cell.set("retainedBytes", sum("retainedBytes"));
    cell.set("heldBytes", most("heldBytes") * parts.length);
    cell.set("heldBatches", most("heldBatches") * parts.length);
  }
}
