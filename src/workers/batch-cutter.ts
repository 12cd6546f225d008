/**
 * The rows of one stream on one worker, or of one of its parts, on their way into batches. HOT PATH.
 *
 * A batch is laid out when its rows are known: exact sizes first, then every value is formatted once into its place
 * in shared memory.
 */
import { BatchEncoder } from "../columns/batch-encoder.ts";
import { versionBeside } from "../columns/datasets.ts";
import { CodedError } from "../error.ts";
import { moveRows, rowBytes } from "../ledger/row-bytes.ts";
import { RowSet } from "../ledger/row-set.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import type { Position } from "../vocabulary/position.ts";
import type { AheadBatch, AheadBatches } from "./ahead-batches.ts";
import type { BodyCompressor } from "./body-compressor.ts";
import { reserveBlocking, sendBlocking } from "./fragments.ts";
import {
  align8,
  type BatchRecord,
  OUTPUT,
  packRecord,
  SKIPPED_LISTED_MAX,
  type SpanDoneRecord,
  type StreamSpec,
} from "./records.ts";
import { messageBytesMax, type RingProducer } from "./ring.ts";
import type { StageTimes } from "./stage-times.ts";

const FULL_CHECK_ROWS = 256; // how many rows must have come before it is worth asking whether a batch is full

/** What all cutters of a worker share. */
export interface CutterParts {
  output: RingProducer;
  times: StageTimes;
  ahead: AheadBatches;
}

/** Cuts the rows of one stream or part into batches, and writes each into the output ring. */
export class BatchCutter {
  readonly rows = new RowSet();
  readonly encoder: BatchEncoder;
  /** Rows before this one are in batches already. */
  private first = 0;
  private checkAt = FULL_CHECK_ROWS;
  /** Ledgers that were left out and that no batch has named yet. */
  private skipped: number[] = [];
  /** From so many rows on it is worth asking whether another batch can be laid out ahead. */
  private aheadCheckAt = 0;
  /** Ledgers of the set whose rows have been moved, as far as they wait. */
  private kept = 0;

  /**
   * @param part its number in a stream that has several
   * @param filterFrom from which ledger the filter holds that decides about a ledger
   */
  constructor(
    private readonly spec: StreamSpec,
    private readonly dataset: Dataset,
    private readonly part: number | undefined,
    private readonly compressor: BodyCompressor | undefined,
    private readonly filterFrom: (sequence: number) => number,
    private readonly parts: CutterParts,
  ) {
    const { schemaVersion, networkPassphrase, columns, dictionaries } = spec;
    const own = { dataset, schemaVersion: versionBeside(dataset, schemaVersion) };
    this.encoder = new BatchEncoder({ ...own, networkPassphrase, columns, dictionaries });
  }

  /** Whether all rows are in batches. */
  get isEmpty(): boolean {
    return this.first === this.rows.length;
  }

  get isContractData(): boolean {
    return this.dataset === DATASET_DEFAULT;
  }

  /** The first ledger with a row that is in no batch; undefined when there is none. */
  get waitsSince(): number | undefined {
    return this.isEmpty ? undefined : this.rows.ledgers[this.rows.ledger[this.first]!]!.sequence;
  }

  /**
   * The rows from `start` on are a ledger's. A stream may begin and end inside a ledger: rows before its start and from
   * its end on, by their places, are not its own.
   */
  ledgerAdded(sequence: number, start: number): void {
    const { rows } = this;
    const { start: streamStart, end } = this.spec;
    if (end !== undefined && sequence === end.ledger) {
      rows.truncate(this.rowAt(start, end.row), rows.ledgers.length);
    }
    if (sequence === streamStart.ledger && streamStart.row > 0) {
      this.first = this.rowAt(start, streamStart.row);
    }
  }

  /** The first row from `start` on with that place or a later one. */
  private rowAt(start: number, place: number): number {
    const { rows } = this;
    let row = start;
    while (row < rows.length && rows.place[row]! < place) row += 1;
    return row;
  }

  /** A ledger was left out: the next batch names it. */
  leftOut(sequence: number): void {
    if (this.skipped.length < SKIPPED_LISTED_MAX) this.skipped.push(sequence);
  }

  /** Skipped ledgers that no batch has named. */
  takeSkipped(): number[] {
    return this.skipped.splice(0);
  }

  /**
   * Lays out what is full, of a ledger of so many bytes that is still being walked. Nothing goes out: `emitFull` takes it
   * when all of the ledger has been read.
   */
  layAhead(ledgerBytes: number): void {
    const { rows } = this;
    const { ahead, times } = this.parts;
    if (!ahead.isOf(rows)) this.beginAhead(ledgerBytes); // it is walked once more from its beginning
    while (rows.length >= this.aheadCheckAt) {
      this.aheadCheckAt = Number.POSITIVE_INFINITY; // unless there is room for more
      const mark = times.mark();
      const first = ahead.next(this.first);
      const end = this.batchEnd(first, true);
      if (end === rows.length)
        this.aheadCheckAt = end + FULL_CHECK_ROWS; // as emitFull
      else if (end > first && ahead.add(this.encoder, first, end)) this.aheadCheckAt = end + FULL_CHECK_ROWS;
      times.add("encode", mark);
    }
  }

  /** A ledger of so many bytes is walked next, whose batches are laid out ahead. */
  beginAhead(ledgerBytes: number): void {
    this.parts.ahead.begin(this.rows, ledgerBytes);
    this.aheadCheckAt = this.first + FULL_CHECK_ROWS;
  }

  /** Emits as many batches as are full. */
  emitFull(done: SpanDoneRecord): void {
    const { ahead } = this.parts;
    for (;;) {
      const batch = ahead.take(this.encoder, this.rows, this.first, this.spec.batchBytesMax);
      if (batch === undefined) break;
      this.emit(batch.plan.end, done, batch);
    }
    while (this.rows.length - this.first >= this.checkAt) {
      const end = this.batchEnd(this.first);
      if (end === this.rows.length) {
        // nearly full counts as not full: the same rows are not measured again for every ledger
        this.checkAt = this.rows.length - this.first + FULL_CHECK_ROWS;
        return;
      }
      this.emit(end, done);
      this.checkAt = FULL_CHECK_ROWS;
    }
  }

  /** Emits everything. */
  flush(done: SpanDoneRecord): void {
    while (this.first < this.rows.length) this.emit(this.batchEnd(this.first), done);
  }

  /** Forgets the rows: their ledgers' memory may go. */
  clear(): void {
    this.rows.clear();
    this.first = 0;
    this.checkAt = FULL_CHECK_ROWS;
    this.kept = 0;
  }

  /** Forgets the rows that are in batches, and the ledgers that only they are of. */
  dropEmitted(): void {
    const { first } = this;
    if (this.isEmpty) this.clear();
    else if (first > 0) {
      const ledgers = this.rows.dropBefore(first);
      this.kept -= ledgers;
      this.first = 0;
    }
  }

  /**
   * Moves what waiting rows refer to into memory of their own, since the last call's: the bytes of their ledgers go away.
   * @param room memory for so many bytes of a ledger
   */
  keep(room: (ledger: number, bytes: number) => Uint8Array): void {
    const { rows } = this;
    const { ledgers, ledger: ledgerOf } = rows;
    for (let end = rows.length; end > this.first; ) {
      const ledger = ledgerOf[end - 1]!;
      if (ledger < this.kept) break;
      let first = end - 1;
      while (first > this.first && ledgerOf[first - 1] === ledger) first -= 1;
      moveRows(rows, first, end, room(ledgers[ledger]!.sequence, rowBytes(rows, first, end)));
      end = first;
    }
    this.kept = ledgers.length;
  }

  /**
   * Where the batch that begins at `first` ends: at the rows asked for, or at about the target size, and never over
   * what one message may hold. At `first` itself where one row is over that.
   * @param isOpen the rows' ledger is still being walked
   */
  private batchEnd(first: number, isOpen = false): number {
    const { rows, encoder } = this;
    const { batchRowsMax, batchRowsMinTarget, batchBytesTarget, batchBytesMax } = this.spec;
    let end: number;
    if (batchRowsMax > 0) end = encoder.fit(rows, first, batchRowsMax, batchBytesMax, isOpen);
    else {
      end = encoder.fit(rows, first, rows.length - first, batchBytesTarget, isOpen);
      if (end < rows.length && end - first < batchRowsMinTarget) {
        end = encoder.fit(rows, first, batchRowsMinTarget, batchBytesMax, isOpen);
      }
    }
    return end;
  }

  /** The first row that is in no batch has no room in any. */
  private rowTooLarge(): CodedError {
    const { rows, first, encoder } = this;
    const { batchBytesMax } = this.spec;
    const { bodyBytes } = encoder.plan(rows, first, first + 1);
    return new CodedError(
      "RESOURCE_EXHAUSTED",
      "ROW_TOO_LARGE",
      `one row of ledger ${rows.ledgers[rows.ledger[first]!]!.sequence} takes ${bodyBytes} B, over max ${batchBytesMax} B: raise FLIGHT_MESSAGE_BYTES_MAX (clients accept 4 MiB unless told otherwise)`,
    );
  }

  /**
   * Emits the rows up to `end`, which `batchEnd` has given.
   * @param ahead their batch, where that has been planned
   * @throws CodedError RESOURCE_EXHAUSTED / ROW_TOO_LARGE
   */
  private emit(end: number, done: SpanDoneRecord, ahead?: AheadBatch): void {
    const { rows, first } = this;
    if (end === first) throw this.rowTooLarge();
    const { output, times } = this.parts;
    const mark = times.mark();
    const plan = ahead?.plan ?? this.encoder.plan(rows, first, end);
    const laid = ahead?.body;
    const packed =
      this.compressor?.batch(this.encoder, rows, plan, laid) ??
      (laid && { header: this.encoder.header(plan), body: laid });
    const header = packed?.header ?? this.encoder.header(plan);
    const bodyBytes = packed?.body.length ?? plan.bodyBytes;
    const record: BatchRecord = {
      ...this.describe(first, end, done),
      headerBytes: header.length,
      bodyBytes,
    };
    if (this.skipped.length > 0) record.skipped = this.takeSkipped();
    if (done.learned !== undefined) {
      record.learned = done.learned;
      done.learned = undefined;
    }
    if (done.chainFirst !== undefined) {
      record.chainFirst = done.chainFirst;
      done.chainFirst = undefined;
    }
    if (this.part !== undefined) record.part = this.part;
    const front = packRecord(record);
    const bodyAt = front.length + align8(header.length);
    const bytes = bodyAt + bodyBytes;
    let waitedMs = 0;
    if (bytes <= messageBytesMax(output.memory)) {
      const waitBegun = performance.now();
      const at = reserveBlocking(output, bytes);
      waitedMs = performance.now() - waitBegun;
      output.bytes.set(front, at);
      output.bytes.set(header, at + front.length);
      if (packed === undefined) this.encoder.write(rows, plan, output.bytes, at + bodyAt);
      else output.bytes.set(packed.body, at + bodyAt);
      output.commit(bytes, OUTPUT.BATCH);
      times.add("encode", mark, waitedMs);
    } else {
      const message = new Uint8Array(bytes);
      message.set(front);
      message.set(header, front.length);
      if (packed === undefined) this.encoder.write(rows, plan, message, bodyAt);
      else message.set(packed.body, bodyAt);
      times.add("encode", mark);
      const waitBegun = performance.now();
      sendBlocking(output, OUTPUT.BATCH, [message]);
      waitedMs = performance.now() - waitBegun;
    }
    times.addWait("outputWait", waitedMs);
    this.first = end;
    done.batches += 1;
  }

  private describe(first: number, end: number, done: SpanDoneRecord): Omit<BatchRecord, "headerBytes" | "bodyBytes"> {
    const { rows } = this;
    const ledgers = rows.ledgers;
    const last = rows.ledger[end - 1]!;
    const { sequence } = ledgers[last]!;
    // Rows that follow may be of the same ledger; with none left, everything up to the last ledger read is complete.
    const next: Position =
      end === rows.length
        ? afterLast(this.spec, done.ledgerLast)
        : rows.ledger[end] === last
          ? { ledger: sequence, row: rows.place[end - 1]! + 1 }
          : { ledger: ledgers[rows.ledger[end]!]!.sequence, row: 0 };
    const ledgerFirst = ledgers[rows.ledger[first]!]!.sequence;
    const ledgerComplete = next.ledger - 1;
    return {
      stream: this.spec.stream,
      span: done.span,
      ledgerFirst,
      ledgerLast: sequence,
      ledgerComplete,
      closedAtUnixSeconds: end === rows.length ? done.closedAtUnixSeconds : ledgers[last]!.closedAtSeconds,
      rows: end - first,
      next,
      filterFrom: this.filterFrom(sequence),
    };
  }
}

/** The position behind every row up to that ledger, which may be clipped at the stream's end. */
export function afterLast({ end }: StreamSpec, ledger: number): Position {
  return end?.ledger === ledger ? end : { ledger: ledger + 1, row: 0 };
}
