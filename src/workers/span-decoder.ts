/**
 * One stream's spans on one worker: inflates and decodes objects, cuts the rows into batches and writes those straight
 * into the output ring. HOT PATH.
 *
 * A batch is laid out when its rows are known: exact sizes first, then every value is formatted once into its place
 * in shared memory.
 */
import { BatchEncoder } from "../columns/batch-encoder.ts";
import { CodedError } from "../error.ts";
import { splitBatch } from "../ledger/batch.ts";
import { LedgerDecoder, type LedgerSummary } from "../ledger/decoder.ts";
import type { RowFilter } from "../ledger/filter.ts";
import { checkNetwork } from "../ledger/network.ts";
import { RowSet } from "../ledger/row-set.ts";
import { reserveBlocking, sendBlocking } from "./fragments.ts";
import type { LedgerDurations } from "./ledger-durations.ts";
import type { LedgerBuffer, LedgerMemory } from "./ledger-memory.ts";
import {
  align8,
  type BatchRecord,
  type FilterRecord,
  type ObjectRecord,
  OUTPUT,
  type Position,
  packRecord,
  type SpanDoneRecord,
  type StreamSpec,
} from "./records.ts";
import { messageBytesMax, type RingProducer } from "./ring.ts";

const RETAINED_BYTES_MAX = 16 << 20; // inflated ledgers kept for rows that wait for a full batch; then it goes out as it is
const FULL_CHECK_ROWS = 256; // how many rows must have come before it is worth asking whether a batch is full

const never = () => false; // the data plane outlives the workers

export class SpanDecoder {
  private decoders: Array<{ ledgerFrom: number; decoder: LedgerDecoder }> = [];
  private readonly encoder: BatchEncoder;
  private readonly rows = new RowSet();
  /** Row at which each ledger of the set begins. */
  private readonly ledgerRows: number[] = [];
  /** Rows before this one are in batches already. */
  private first = 0;
  private checkAt = FULL_CHECK_ROWS;
  private buffers: LedgerBuffer[] = [];
  private retainedBytes = 0;
  private networkChecked = false;
  /** A failed stream takes nothing more. */
  private failed = false;
  private done: SpanDoneRecord | undefined;

  constructor(
    private spec: StreamSpec,
    private readonly output: RingProducer,
    private readonly memory: LedgerMemory,
    private readonly durations: LedgerDurations,
  ) {
    const { schemaVersion, networkPassphrase, columns } = spec;
    this.encoder = new BatchEncoder({ schemaVersion, networkPassphrase, columns });
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
          keyHash: this.encoder.needsKeyHash,
        }),
    }));
  }

  /** Decodes one object of the open span (or of a new one). */
  object(record: ObjectRecord, stored: Uint8Array): void {
    if (this.failed) return;
    const begun = performance.now();
    const done = this.open(record.span);
    let ledger = record.ledgerFirst;
    try {
      const buffer = this.memory.take();
      this.buffers.push(buffer);
      const { name, encoding, container } = record;
      const xdr = buffer.fill(name, stored, encoding, container, this.spec.ledgerBytesMax);
      this.retainedBytes += xdr.length;
      if (container === "ledger") this.ledger(xdr, ledger, done);
      else {
        for (const { sequence, bytes } of splitBatch(xdr)) {
          if (sequence < record.ledgerFirst || sequence > record.ledgerLast) continue;
          ledger = sequence;
          this.ledger(bytes, sequence, done);
        }
      }
      if (done.ledgerLast !== record.ledgerLast) {
        throw new CodedError(
          "DATA_LOSS",
          "LEDGER_MISSING",
          `it ends with ledger ${done.ledgerLast}, but ledger ${record.ledgerLast} was to be in it`,
        );
      }
    } catch (thrown) {
      this.fail(thrown, record.name, ledger, done);
    }
    done.durationMs += performance.now() - begun;
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
      closedAtUnixSeconds: 0,
      rows: 0,
      rowsFiltered: 0,
      xdrBytes: 0,
      batches: 0,
      durationMs: 0,
    };
    return this.done;
  }

  private finish(done: SpanDoneRecord): void {
    this.done = undefined;
    sendBlocking(this.output, OUTPUT.SPAN_DONE, [packRecord(done)], never);
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
    const known = error.message.includes(name) ? "" : `${name}: `;
    done.error = { code: error.code, reason: error.reason, message: `ledger ${ledger}: ${known}${error.message}` };
    this.finish(done);
  }

  private ledger(xdr: Uint8Array, sequence: number, done: SpanDoneRecord): void {
    if (xdr.length > this.spec.ledgerBytesMax) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "LEDGER_TOO_LARGE",
        `the ledger has ${xdr.length} B, over LEDGER_BYTES_MAX ${this.spec.ledgerBytesMax} B`,
      );
    }
    if (!this.networkChecked) this.networkChecked = checkNetwork(xdr, this.spec.networkPassphrase);
    const begun = performance.now();
    const start = this.rows.length;
    const summary = this.decoderOf(sequence).decode(xdr, this.rows);
    if (summary.ledgerSequence !== sequence) {
      this.rows.truncate(start, this.rows.ledgers.length - 1);
      throw new CodedError(
        "DATA_LOSS",
        "LEDGER_SEQUENCE",
        `it holds ledger ${summary.ledgerSequence} where ${sequence} was to be`,
      );
    }
    this.ledgerRows.push(start);
    this.clip(sequence, start);
    this.durations.record(performance.now() - begun);
    this.count(summary, xdr.length, done);
    while (this.rows.length - this.first >= this.checkAt && this.emitFull(done)) {}
    if (this.retainedBytes >= RETAINED_BYTES_MAX) this.flush(done);
  }

  /** The filter in force at that ledger decides. */
  private decoderOf(sequence: number): LedgerDecoder {
    let step = this.decoders.length - 1;
    while (step > 0 && this.decoders[step]!.ledgerFrom > sequence) step -= 1;
    return this.decoders[step]!.decoder;
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
    this.memory.give(this.buffers);
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

  private emit(first: number, end: number, done: SpanDoneRecord): void {
    const { rows, output } = this;
    const plan = this.encoder.plan(rows, first, end);
    const header = this.encoder.header(plan);
    const front = packRecord({
      ...this.describe(first, end, done),
      headerBytes: header.length,
      bodyBytes: plan.bodyBytes,
    });
    const bodyAt = front.length + align8(header.length);
    const bytes = bodyAt + plan.bodyBytes;
    if (bytes <= messageBytesMax(output.memory)) {
      const at = reserveBlocking(output, bytes, never);
      output.bytes.set(front, at);
      output.bytes.set(header, at + front.length);
      this.encoder.write(rows, plan, output.bytes, at + bodyAt);
      output.commit(bytes, OUTPUT.BATCH);
    } else {
      const message = new Uint8Array(bytes);
      message.set(front);
      message.set(header, front.length);
      this.encoder.write(rows, plan, message, bodyAt);
      sendBlocking(output, OUTPUT.BATCH, [message], never);
    }
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
        ? { ledger: done.ledgerLast + 1, row: 0 }
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
    };
  }
}

function filterOf({ balanceMin, ...filter }: FilterRecord): RowFilter {
  return balanceMin === undefined ? filter : { ...filter, balanceMin: BigInt(balanceMin) };
}
