/**
 * One stream's spans on one worker: inflates and decodes objects, and has the rows cut into batches (batch-cutter.ts),
 * which go straight into the output ring. HOT PATH.
 *
 * A ledger that comes uncompressed is read where it lies, in the input ring. What rows refer to that still wait for their
 * batch when its memory is wanted back is moved together (ledger/row-bytes.ts).
 *
 * A stream of several datasets is inflated and walked once. Where there are partitions, the rows of each dataset are then
 * dealt out to a cutter for each of them.
 */
import { CodedError } from "../error.ts";
import { LedgerChain } from "../ledger/chain.ts";
import { LedgerDecoder } from "../ledger/decoder.ts";
import type { LedgerSummary } from "../ledger/decoder-options.ts";
import { rowFilterOf } from "../ledger/filter.ts";
import { KnownAssets, knownFrom } from "../ledger/known-assets.ts";
import { checkNetwork } from "../ledger/network.ts";
import { LARGE_LEDGER_BYTES } from "../ledger/row-hashes.ts";
import { ledgersOfLakeFile } from "../sources/lake/lake-file.ts";
import { afterLast, type BatchCutter, type CutterParts } from "./batch-cutter.ts";
import { type AheadDecoded, ComingDecoder, type LedgerEnds } from "./coming-decoder.ts";
import { sendBlocking } from "./fragments.ts";
import type { LedgerDurations } from "./ledger-durations.ts";
import { CHAIN_ANEW, describeError, isOfLedger } from "./ledger-faults.ts";
import type { LedgerMemory, RowBuffer } from "./ledger-memory.ts";
import { PartCutters } from "./part-cutters.ts";
import {
  type AssetRecord,
  type ObjectRecord,
  OUTPUT,
  packRecord,
  SKIPS_TOLD_MAX,
  type SkipRecord,
  type SpanDoneRecord,
  type StreamSpec,
} from "./records.ts";
import { SpanStopwatch } from "./span-stopwatch.ts";

/** What all streams on one worker share. */
interface WorkerParts extends CutterParts {
  memory: LedgerMemory;
  /** Bytes of ledgers held for rows that wait for a full batch; then it goes out as it is. */
  retainedBytesMax: number;
  durations: LedgerDurations;
}

/** Decodes the spans of one stream in one worker. */
export class SpanDecoder {
  private decoders: Array<{ ledgerFrom: number; decoder: LedgerDecoder }> = [];
  private readonly knownAssets: KnownAssets;
  private assetsError: CodedError | undefined;
  readonly out: PartCutters;
  private readonly cutters: readonly BatchCutter[];
  /** Memory of rows that wait. */
  private buffers: RowBuffer[] = [];
  private retainedBytes = 0;
  private networkChecked = false;
  /** The chain inside the open span; the sequencer checks where spans meet. */
  private readonly chain = new LedgerChain();
  /** A failed stream takes nothing more. */
  failed = false;
  private done: SpanDoneRecord | undefined;
  /** The stream's objects that come in parts. */
  readonly coming: ComingDecoder;
  /** The open span's, where it is traced. */
  private stopwatch: SpanStopwatch | undefined;

  constructor(
    private spec: StreamSpec,
    private readonly parts: WorkerParts,
  ) {
    this.out = new PartCutters(spec, (sequence) => this.stepOf(sequence).ledgerFrom, parts);
    this.cutters = this.out.cutters;
    this.knownAssets = new KnownAssets(spec.networkPassphrase);
    this.coming = new ComingDecoder(this, parts);
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
          filter: rowFilterOf(filter),
          knownAssets: this.knownAssets,
          ...this.out.decoderOptions,
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
  object(record: ObjectRecord, stored: Uint8Array, ahead?: AheadDecoded): void {
    if (this.failed) return;
    const begun = performance.now();
    const done = this.open(record.span);
    if (record.traced) this.stopwatch ??= new SpanStopwatch(this.parts.times);
    this.stopwatch?.resume();
    let next = record.ledgerFirst;
    try {
      const { name, encoding, container } = record;
      const xdr = encoding === "none" ? stored : this.inflate(name, stored, container);
      this.retainedBytes += xdr.length;
      if (container === "ledger") this.ledgerOrSkip(xdr, next++, name, done, ahead);
      else {
        const onMissing = (error: CodedError, first: number, last: number) => {
          if (!this.isSkippable(error)) throw error;
          for (let ledger = first; ledger <= last; ledger++) this.leaveOut(ledger, name, error, done);
          next = last + 1;
        };
        for (const { sequence, bytes } of ledgersOfLakeFile(
          { name, named: record.named, wanted: record },
          xdr,
          onMissing,
        )) {
          next = sequence;
          this.ledgerOrSkip(bytes, sequence, name, done);
          next += 1;
        }
      }
    } catch (thrown) {
      if (this.isSkippable(thrown)) {
        for (; next <= record.ledgerLast; next++) this.leaveOut(next, record.name, thrown, done);
      } else this.fail(thrown, record.name, Math.min(next, record.ledgerLast), done);
    }
    this.keep();
    this.letGoEmitted();
    this.stopwatch?.pause();
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
    this.stopwatch?.resume();
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
    this.coming.lose();
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
      ...{ rows: 0, rowsFiltered: 0, xdrBytes: 0, batches: 0 },
      ledgersSkipped: 0,
      durationMs: 0,
    };
    return this.done;
  }

  private finish(done: SpanDoneRecord): void {
    this.done = undefined;
    done.trace = this.stopwatch?.read();
    this.stopwatch = undefined;
    done.chainLast = this.chain.last;
    this.chain.last = undefined;
    if (done.ledgerLast > 0) done.next = afterLast(this.spec, done.ledgerLast);
    // Each holds the last ones: what one of them has not named, and perhaps more.
    const unnamed = this.cutters.map((cutter) => cutter.takeSkipped());
    const [longest] = unnamed.sort((a, b) => b.length - a.length);
    if (longest!.length > 0) done.skipped = longest;
    sendBlocking(this.parts.output, OUTPUT.SPAN_DONE, [packRecord(done)]);
  }

  /** What was decoded before the bad ledger still goes out; then the span ends with the error, and the stream. */
  private fail(thrown: unknown, name: string, ledger: number, done: SpanDoneRecord): void {
    const error = CodedError.from(thrown);
    this.failed = true;
    for (const cutter of this.cutters) {
      try {
        cutter.flush(done);
      } catch {
        // the first error is the one to tell
      }
    }
    // What is in no batch is not done: the stream's checkpoint must lie before it.
    for (const { waitsSince } of this.cutters) {
      if (waitsSince !== undefined) done.ledgerLast = Math.min(done.ledgerLast, waitsSince - 1);
    }
    this.letGo();
    done.error = describeError(error, name, ledger);
    this.finish(done);
  }

  private inflate(name: string, stored: Uint8Array, container: "ledger" | "batch"): Uint8Array {
    const mark = this.parts.times.mark();
    try {
      return this.parts.memory.inflate(name, stored, container, this.spec.ledgerBytesMax);
    } finally {
      this.parts.times.add("inflate", mark);
    }
  }

  /** Moves what rows that wait refer to of the last object: its own memory is the next one's. */
  private keep(): void {
    const { memory, times } = this.parts;
    const mark = times.mark();
    for (const cutter of this.cutters) cutter.keep((ledger, bytes) => memory.room(this.buffers, ledger, bytes));
    memory.objectDone();
    times.add("encode", mark);
  }

  /** Whether ON_ERROR lets a ledger with this error be left out: only what is wrong with the ledger itself. */
  private isSkippable(thrown: unknown): thrown is CodedError {
    return this.spec.onError === "skip" && isOfLedger(thrown);
  }

  private ledgerOrSkip(
    ...[xdr, sequence, name, done, ahead]: [Uint8Array, number, string, SpanDoneRecord, AheadDecoded?]
  ): void {
    try {
      this.ledger(xdr, sequence, name, done, ahead);
    } catch (thrown) {
      if (!this.isSkippable(thrown)) throw thrown;
      this.leaveOut(sequence, name, thrown, done);
    }
  }

  private leaveOut(ledger: number, name: string, thrown: unknown, done: SpanDoneRecord): void {
    done.ledgersSkipped += 1;
    done.ledgerLast = ledger;
    done.skips ??= [];
    done.skips.length = Math.min(done.skips.length, SKIPS_TOLD_MAX - 1);
    const error = describeError(CodedError.from(thrown), name, ledger);
    if (this.spec.verifyChain) error.message += CHAIN_ANEW;
    this.chain.last = undefined;
    done.skips.push({ ledger, error });
    for (const cutter of this.cutters) cutter.leftOut(ledger);
  }

  private ledger(xdr: Uint8Array, sequence: number, name: string, done: SpanDoneRecord, ahead?: AheadDecoded): void {
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
    const { targets } = this.out;
    const { decoder } = this.stepOf(sequence);
    const { starts, before } = ahead?.ends ?? this.ends();
    const summary = ahead?.summary ?? this.decode(decoder, xdr.length, () => decoder.decode(xdr, ...targets));
    try {
      this.checkPlace(summary, sequence);
      this.checkChain(xdr, name, done);
    } catch (thrown) {
      for (const [i, rows] of targets.entries()) rows.truncate(before[i]!.length, before[i]!.ledgers);
      decoder.takeLearned();
      throw thrown;
    }
    this.out.deal();
    for (const [index, cutter] of this.cutters.entries()) cutter.ledgerAdded(sequence, starts[index]!);
    this.learn(decoder, done);
    this.parts.durations.record(this.parts.times.add("decode", mark) + (ahead?.ms ?? 0));
    this.count(summary, xdr.length, done);
    this.out.emitFull(done);
    // A large ledger is full batches and a rest, which goes out at once: at the tip nothing comes that would fill it up.
    if (this.retainedBytes >= this.parts.retainedBytesMax || xdr.length >= LARGE_LEDGER_BYTES) this.flush(done);
  }

  /** Has a ledger of so many bytes decoded; batches of a large one are laid out meanwhile. */
  decode<Summary>(decoder: LedgerDecoder, ledgerBytes: number, by: () => Summary): Summary {
    if (ledgerBytes < LARGE_LEDGER_BYTES) return by();
    decoder.tellRows(this.out.ahead(ledgerBytes));
    try {
      return by();
    } finally {
      decoder.tellRows(undefined);
    }
  }

  /** Whether nothing but itself can be wrong with a ledger of that size. */
  trusts(ledgerBytes: number): boolean {
    return this.networkChecked && this.assetsError === undefined && ledgerBytes <= this.spec.ledgerBytesMax;
  }

  /** Behind which the next ledger's rows are appended. */
  ends(): LedgerEnds {
    return {
      starts: this.cutters.map(({ rows }) => rows.length),
      before: this.out.targets.map(({ length, ledgers }) => ({ length, ledgers: ledgers.length })),
    };
  }

  /** @throws CodedError where it is another ledger, or has not the position at which a client wants to begin */
  private checkPlace({ ledgerSequence, places }: LedgerSummary, sequence: number): void {
    if (ledgerSequence !== sequence) {
      const message = `it holds ledger ${ledgerSequence} where ${sequence} was to be`;
      throw new CodedError("DATA_LOSS", "LEDGER_SEQUENCE", message);
    }
    const { start } = this.spec;
    if (sequence !== start.ledger || start.row <= places) return;
    throw new CodedError(
      "INVALID_ARGUMENT",
      "CURSOR_BEYOND_LEDGER",
      `the cursor stands behind change ${start.row} of the ledger, which has ${places}: pass the cursor of a batch as it came`,
    );
  }

  /** @throws CodedError DATA_LOSS / CHAIN_BROKEN */
  private checkChain(xdr: Uint8Array, name: string, done: SpanDoneRecord): void {
    if (!this.spec.verifyChain) return;
    const link = this.chain.take(xdr, name);
    if (done.ledgers === 0 && done.ledgersSkipped === 0) done.chainFirst = link;
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
  stepOf(sequence: number): { ledgerFrom: number; decoder: LedgerDecoder } {
    let step = this.decoders.length - 1;
    while (step > 0 && this.decoders[step]!.ledgerFrom > sequence) step -= 1;
    return this.decoders[step]!;
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

  /** Emits everything, and lets the ledgers' memory go. */
  private flush(done: SpanDoneRecord): void {
    for (const cutter of this.cutters) cutter.flush(done);
    this.letGo();
  }

  /** Lets go of what no row waits for any more: memory that is used again soon is still in the cache. */
  private letGoEmitted(): void {
    const { cutters } = this;
    const waitsSince = Math.min(...cutters.map((cutter) => cutter.waitsSince ?? Number.POSITIVE_INFINITY));
    for (const cutter of cutters) cutter.dropEmitted();
    const emitted = this.buffers.filter(({ ledger }) => ledger < waitsSince);
    this.buffers = this.buffers.filter(({ ledger }) => ledger >= waitsSince);
    this.retainedBytes = this.buffers.reduce((sum, { bytes }) => sum + bytes, 0);
    this.parts.memory.give(emitted);
  }

  private letGo(): void {
    for (const cutter of this.cutters) cutter.clear();
    this.retainedBytes = 0;
    this.parts.memory.give(this.buffers);
  }
}
