/**
 * One stream's spans on one worker: inflates and decodes objects, cuts the rows into batches and writes those straight
 * into the output ring. HOT PATH.
 *
 * A batch is laid out when its rows are known: exact sizes first, then every value is formatted once into its place
 * in shared memory. A ledger that comes uncompressed is read where it lies, in the input ring; it is copied only when
 * rows of it still wait for their batch when the ring wants its memory back.
 */
import { BatchEncoder } from "../columns/batch-encoder.ts";
import { CodedError, type ErrorRecord } from "../error.ts";
import { splitBatch } from "../ledger/batch.ts";
import { LedgerDecoder, type LedgerSummary } from "../ledger/decoder.ts";
import type { RowFilter } from "../ledger/filter.ts";
import { KnownAssets, knownFrom } from "../ledger/known-assets.ts";
import { checkNetwork } from "../ledger/network.ts";
import { RowSet } from "../ledger/row-set.ts";
import { BodyCompressor } from "./body-compressor.ts";
import { reserveBlocking, sendBlocking } from "./fragments.ts";
import type { LedgerDurations } from "./ledger-durations.ts";
import type { LedgerBuffer, LedgerMemory } from "./ledger-memory.ts";
import {
  type AssetRecord,
  align8,
  type BatchRecord,
  type FilterRecord,
  type ObjectRecord,
  OUTPUT,
  type Position,
  packRecord,
  SKIPPED_LISTED_MAX,
  type SkipRecord,
  type SpanDoneRecord,
  type StreamSpec,
} from "./records.ts";
import { messageBytesMax, type RingProducer } from "./ring.ts";
import type { StageTimes } from "./stage-times.ts";

const FULL_CHECK_ROWS = 256; // how many rows must have come before it is worth asking whether a batch is full

/** What all streams on one worker share. */
export interface WorkerParts {
  output: RingProducer;
  memory: LedgerMemory;
  /** Bytes of ledgers held for rows that wait for a full batch; then it goes out as it is. */
  retainedBytesMax: number;
  durations: LedgerDurations;
  times: StageTimes;
}

export class SpanDecoder {
  private decoders: Array<{ ledgerFrom: number; decoder: LedgerDecoder }> = [];
  private readonly knownAssets: KnownAssets;
  private assetsError: CodedError | undefined;
  private readonly encoder: BatchEncoder;
  private readonly compressor: BodyCompressor | undefined;
  private readonly rows = new RowSet();
  /** Row at which each ledger of the set begins. */
  private readonly ledgerRows: number[] = [];
  /** Rows before this one are in batches already. */
  private first = 0;
  private checkAt = FULL_CHECK_ROWS;
  /** Memory of objects that rows may wait for. */
  private buffers: LedgerBuffer[] = [];
  /** That of the object being decoded: a batch that goes out in its middle must not give it away. */
  private readonly inUse: LedgerBuffer[] = [];
  private retainedBytes = 0;
  /** Ledgers of the set whose bytes stay as they are. */
  private kept = 0;
  private networkChecked = false;
  /** Skipped ledgers that no batch has named yet. */
  private skipped: number[] = [];
  /** A failed stream takes nothing more. */
  private failed = false;
  private done: SpanDoneRecord | undefined;

  constructor(
    private spec: StreamSpec,
    private readonly parts: WorkerParts,
  ) {
    const { schemaVersion, networkPassphrase, columns, compression } = spec;
    this.compressor = compression === "none" ? undefined : new BodyCompressor(compression);
    this.encoder = new BatchEncoder({ schemaVersion, networkPassphrase, columns });
    this.knownAssets = new KnownAssets(networkPassphrase);
    this.update(spec);
  }

  /** Takes the spec's changed filters; the rest of a spec never changes. */
  update(spec: StreamSpec): void {
    this.spec = spec;
    const known = this.decoders;
    this.decoders = spec.filters.map(({ ledgerFrom, filter }, step) => ({
      ledgerFrom,
      decoder:
        (known[step]?.ledgerFrom === ledgerFrom && step < known.length - 1 ? known[step] : undefined)?.decoder ??
        new LedgerDecoder({
          networkPassphrase: spec.networkPassphrase,
          compat: spec.compat,
          filter: filterOf(filter),
          knownAssets: this.knownAssets,
          ...this.encoder.decoderOptions,
        }),
    }));
  }

  /** Takes what the stream knows of assets, or has learned since. */
  addAssets(assets: readonly AssetRecord[]): void {
    try {
      for (const { asset, ledgerFrom } of assets) this.knownAssets.add(asset, ledgerFrom);
    } catch (thrown) {
      this.assetsError ??= CodedError.from(thrown); // ends the stream with its next ledger
    }
  }

  /** Decodes one object of the open span (or of a new one). `stored` is valid during this call only. */
  object(record: ObjectRecord, stored: Uint8Array): void {
    if (this.failed) return;
    const begun = performance.now();
    const done = this.open(record.span);
    let next = record.ledgerFirst;
    try {
      const { name, encoding, container } = record;
      const xdr = encoding === "none" ? stored : this.inflate(name, stored, container);
      this.retainedBytes += xdr.length;
      if (container === "ledger") this.ledgerOrSkip(xdr, next++, name, done);
      else {
        for (const { sequence, bytes } of splitBatch(xdr)) {
          if (sequence < record.ledgerFirst || sequence > record.ledgerLast) continue;
          next = sequence;
          this.ledgerOrSkip(bytes, next++, name, done);
        }
      }
      if (next !== record.ledgerLast + 1) {
        throw new CodedError(
          "DATA_LOSS",
          "LEDGER_MISSING",
          `it ends before ledger ${next}, but ledger ${record.ledgerLast} was to be in it`,
        );
      }
    } catch (thrown) {
      if (this.isSkippable(thrown)) {
        for (; next <= record.ledgerLast; next++) this.leaveOut(next, record.name, thrown, done);
      } else this.fail(thrown, record.name, Math.min(next, record.ledgerLast), done);
    }
    this.buffers.push(...this.inUse.splice(0));
    if (this.first === this.rows.length) this.letGo();
    else this.keep(record.encoding === "none");
    done.durationMs += performance.now() - begun;
  }

  /** A ledger that the source could not read whole, under ON_ERROR=skip. */
  skip(record: SkipRecord): void {
    if (this.failed) return;
    this.leaveOut(record.ledger, "", CodedError.fromRecord(record.error), this.open(record.span));
  }

  spanEnd(span: number): void {
    if (this.failed) return;
    const begun = performance.now();
    const done = this.open(span);
    try {
      this.flush(done);
    } catch (thrown) {
      this.fail(thrown, `span ${span}`, done.ledgerLast, done);
      return;
    }
    done.durationMs += performance.now() - begun;
    this.finish(done);
  }

  close(): void {
    this.letGo();
  }

  private open(span: number): SpanDoneRecord {
    this.done ??= {
      stream: this.spec.stream,
      span,
      ledgers: 0,
      ledgerLast: 0,
      next: this.spec.start,
      closedAtUnixSeconds: 0,
      rows: 0,
      rowsFiltered: 0,
      xdrBytes: 0,
      batches: 0,
      ledgersSkipped: 0,
      durationMs: 0,
    };
    return this.done;
  }

  private finish(done: SpanDoneRecord): void {
    this.done = undefined;
    if (done.ledgerLast > 0) done.next = this.afterLast(done.ledgerLast);
    if (this.skipped.length > 0) done.skipped = this.skipped.splice(0);
    sendBlocking(this.parts.output, OUTPUT.SPAN_DONE, [packRecord(done)]);
  }

  /** What was decoded before the bad ledger still goes out; then the span ends with the error, and the stream. */
  private fail(thrown: unknown, name: string, ledger: number, done: SpanDoneRecord): void {
    const error = CodedError.from(thrown);
    this.failed = true;
    try {
      this.flush(done);
    } catch {
      // the first error is the one to tell
    }
    this.letGo();
    done.error = describeError(error, name, ledger);
    this.finish(done);
  }

  private inflate(name: string, stored: Uint8Array, container: "ledger" | "batch"): Uint8Array {
    const mark = this.parts.times.mark();
    try {
      return this.parts.memory.inflate(this.inUse, name, stored, container, this.spec.ledgerBytesMax);
    } finally {
      this.parts.times.add("inflate", mark);
    }
  }

  /** Makes sure of the bytes that rows of the last object wait for: those that lie in the ring are copied. */
  private keep(inRing: boolean): void {
    const { ledgers } = this.rows;
    for (let index = this.kept; inRing && index < ledgers.length; index++) {
      if (index < this.rows.ledger[this.first]!) continue; // all its rows are in batches
      const bytes = this.parts.memory.copy(this.buffers, ledgers[index]!.bytes);
      ledgers[index] = { ...ledgers[index]!, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
    }
    this.kept = ledgers.length;
  }

  /** Whether ON_ERROR lets a ledger with this error be left out: only what is wrong with the ledger itself. */
  private isSkippable(thrown: unknown): boolean {
    if (this.spec.onError !== "skip" || !(thrown instanceof CodedError)) return false;
    return thrown.code === "DATA_LOSS" || SKIPPABLE_REASONS.has(thrown.reason);
  }

  private ledgerOrSkip(xdr: Uint8Array, sequence: number, name: string, done: SpanDoneRecord): void {
    try {
      this.ledger(xdr, sequence, done);
    } catch (thrown) {
      if (!this.isSkippable(thrown)) throw thrown;
      this.leaveOut(sequence, name, thrown, done);
    }
  }

  private leaveOut(ledger: number, name: string, thrown: unknown, done: SpanDoneRecord): void {
    done.ledgersSkipped += 1;
    done.ledgerLast = ledger;
    done.skipError ??= describeError(CodedError.from(thrown), name, ledger);
    if (this.skipped.length < SKIPPED_LISTED_MAX) this.skipped.push(ledger);
  }

  private ledger(xdr: Uint8Array, sequence: number, done: SpanDoneRecord): void {
    if (xdr.length > this.spec.ledgerBytesMax) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "LEDGER_TOO_LARGE",
        `the ledger has ${xdr.length} B, over LEDGER_BYTES_MAX ${this.spec.ledgerBytesMax} B`,
      );
    }
    if (this.assetsError !== undefined) throw this.assetsError;
    if (!this.networkChecked) this.networkChecked = checkNetwork(xdr, this.spec.networkPassphrase);
    const mark = this.parts.times.mark();
    const start = this.rows.length;
    const ledgers = this.rows.ledgers.length;
    const { decoder } = this.stepOf(sequence);
    const summary = decoder.decode(xdr, this.rows);
    if (summary.ledgerSequence !== sequence) {
      this.rows.truncate(start, ledgers);
      decoder.takeLearned();
      throw new CodedError(
        "DATA_LOSS",
        "LEDGER_SEQUENCE",
        `it holds ledger ${summary.ledgerSequence} where ${sequence} was to be`,
      );
    }
    if (this.rows.ledgers.length > ledgers) this.ledgerRows.push(start); // one without rows is not in the set
    this.clip(sequence, start);
    this.learn(decoder, done);
    this.parts.durations.record(this.parts.times.add("decode", mark));
    this.count(summary, xdr.length, done);
    while (this.rows.length - this.first >= this.checkAt && this.emitFull(done)) {}
    if (this.retainedBytes >= this.parts.retainedBytesMax) this.flush(done);
  }

  /** What the ledger has shown holds for this worker from now on, and for all others once the span is done. */
  private learn(decoder: LedgerDecoder, done: SpanDoneRecord): void {
    const { assetDelayLedgers } = this.spec;
    if (assetDelayLedgers === undefined) return;
    for (const { asset, ledgerSequence } of decoder.takeLearned()) {
      const ledgerFrom = knownFrom(ledgerSequence, assetDelayLedgers);
      if (!this.knownAssets.add(asset, ledgerFrom)) continue;
      done.learned ??= [];
      done.learned.push({ asset, ledgerFrom });
    }
  }

  /** The filter in force at that ledger decides. */
  private stepOf(sequence: number): { ledgerFrom: number; decoder: LedgerDecoder } {
    let step = this.decoders.length - 1;
    while (step > 0 && this.decoders[step]!.ledgerFrom > sequence) step -= 1;
    return this.decoders[step]!;
  }

  /** A stream may begin and end inside a ledger: rows before its start and from its end on are not its own. */
  private clip(sequence: number, ledgerStart: number): void {
    const { start, end } = this.spec;
    if (end !== undefined && sequence === end.ledger) {
      this.rows.truncate(Math.min(this.rows.length, ledgerStart + end.row), this.rows.ledgers.length);
    }
    if (sequence === start.ledger && start.row > 0) this.first = Math.min(this.rows.length, ledgerStart + start.row);
  }

  private count(summary: LedgerSummary, bytes: number, done: SpanDoneRecord): void {
    done.ledgers += 1;
    done.ledgerLast = summary.ledgerSequence;
    done.filterFrom = this.stepOf(summary.ledgerSequence).ledgerFrom;
    done.closedAtUnixSeconds = summary.closedAtUnixSeconds;
    done.rows += summary.rows;
    done.rowsFiltered += summary.rowsFiltered;
    done.xdrBytes += bytes;
  }

  /** Emits one batch if there are more rows than fit into one. */
  private emitFull(done: SpanDoneRecord): boolean {
    const end = this.batchEnd();
    if (end === this.rows.length) {
      // nearly full counts as not full: the same rows are not measured again for every ledger
      this.checkAt = this.rows.length - this.first + FULL_CHECK_ROWS;
      return false;
    }
    this.emit(this.first, end, done);
    this.checkAt = FULL_CHECK_ROWS;
    return true;
  }

  /** Emits everything, and lets the ledgers' memory go. */
  private flush(done: SpanDoneRecord): void {
    while (this.first < this.rows.length) this.emit(this.first, this.batchEnd(), done);
    this.letGo();
  }

  private letGo(): void {
    this.rows.clear();
    this.ledgerRows.length = 0;
    this.first = 0;
    this.checkAt = FULL_CHECK_ROWS;
    this.retainedBytes = 0;
    this.kept = 0;
    this.parts.memory.give(this.buffers);
  }

  /**
   * Where the batch that begins at `first` ends: at the rows asked for, or at about the target size, and never over
   * what one message may hold.
   */
  private batchEnd(): number {
    const { rows, first, encoder } = this;
    const { batchRowsMax, batchRowsMinTarget, batchBytesTarget, batchBytesMax } = this.spec;
    let end: number;
    if (batchRowsMax > 0) end = encoder.fit(rows, first, batchRowsMax, batchBytesMax);
    else {
      end = encoder.fit(rows, first, rows.length - first, batchBytesTarget);
      if (end < rows.length && end - first < batchRowsMinTarget) {
        end = encoder.fit(rows, first, batchRowsMinTarget, batchBytesMax);
      }
    }
    if (end > first) return end;
    const { bodyBytes } = encoder.plan(rows, first, first + 1);
    throw new CodedError(
      "RESOURCE_EXHAUSTED",
      "ROW_TOO_LARGE",
      `one row of ledger ${rows.ledgers[rows.ledger[first]!]!.sequence} takes ${bodyBytes} B, over max ${batchBytesMax} B: raise FLIGHT_MESSAGE_BYTES_MAX (clients accept 4 MiB unless told otherwise)`,
    );
  }

  /** The position behind every row up to that ledger, which may be clipped at the stream's end. */
  private afterLast(ledger: number): Position {
    const { end } = this.spec;
    return end?.ledger === ledger ? end : { ledger: ledger + 1, row: 0 };
  }

  private emit(first: number, end: number, done: SpanDoneRecord): void {
    const { rows } = this;
    const { output, times } = this.parts;
    const mark = times.mark();
    const plan = this.encoder.plan(rows, first, end);
    const packed = this.compressor?.batch(this.encoder, rows, plan);
    const header = packed?.header ?? this.encoder.header(plan);
    const bodyBytes = packed?.body.length ?? plan.bodyBytes;
    const record: BatchRecord = {
      ...this.describe(first, end, done),
      headerBytes: header.length,
      bodyBytes,
    };
    if (this.skipped.length > 0) record.skipped = this.skipped.splice(0);
    if (done.learned !== undefined) {
      record.learned = done.learned;
      done.learned = undefined;
    }
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
        ? this.afterLast(done.ledgerLast)
        : rows.ledger[end] === last
          ? { ledger: sequence, row: end - this.ledgerRows[last]! }
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
      filterFrom: this.stepOf(sequence).ledgerFrom,
    };
  }
}

/** Errors beside DATA_LOSS that are about one ledger. */
const SKIPPABLE_REASONS: ReadonlySet<string> = new Set(["LEDGER_TOO_LARGE", "INFLATED_TOO_LARGE"]);

function describeError(error: CodedError, name: string, ledger: number): ErrorRecord {
  const known = error.message.includes(name) ? "" : `${name}: `;
  return { code: error.code, reason: error.reason, message: `ledger ${ledger}: ${known}${error.message}` };
}

function filterOf({ balanceMin, ...filter }: FilterRecord): RowFilter {
  return balanceMin === undefined ? filter : { ...filter, balanceMin: BigInt(balanceMin) };
}
