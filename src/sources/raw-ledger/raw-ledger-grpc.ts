/**
 * Ledgers from a RawLedgerService (proto/raw_ledger_service.proto): an endless stream of inflated ledgers, which may
 * break off at any time and may leave a number out. This source delivers each ledger once, in order: after a failure
 * it asks again from the next ledger needed, it drops what it has had, and what is missing is asked for again before
 * it becomes an error.
 */
import * as grpc from "@grpc/grpc-js";
import { backoffMs } from "../../base/backoff.ts";
import { pause } from "../../base/pause.ts";
import type { Code } from "../../codes.ts";
import { CodedError } from "../../error.ts";
import { receivedError } from "../../grpc/service.ts";
import { checkRange } from "../check-range.ts";
import { COMING_BYTES_MIN } from "../coming-bytes.ts";
import { headerSequence } from "../file/header-offsets.ts";
import { LEDGER_BYTES_MAX, LEDGER_SEQUENCE_MAX } from "../limits.ts";
import type { LedgerObject, LedgerSource, TroubleListener } from "../source.ts";
import { withoutSecret } from "../source-access.ts";
import { tlsFault } from "../tls-fault.ts";
import { type RawLedgerAccess, type RawLedgerEvent, RawLedgerStream } from "./raw-ledger-stream.ts";

/** How the service is connected to, and what may be set otherwise, mostly by tests: each defaults to the constant of the same name below. */
export interface RawLedgerOptions extends RawLedgerAccess {
  stallMsMax?: number;
  reconnectMsMin?: number;
  reconnectMsMax?: number;
  outageMsMax?: number;
  gapRetriesMax?: number;
}

type Options = RawLedgerAccess & Required<Omit<RawLedgerOptions, keyof RawLedgerAccess>>;

/** Without any ledger for this long the connection is taken for dead: the network closes one every 5 to 6 seconds. */
const STALL_MS_MAX = 60_000;

/** First and longest wait before connecting again. */
const RECONNECT_MS_MIN = 100;
const RECONNECT_MS_MAX = 10_000;

/** The source may be away for this long before reading ends with an error: longer than a restart with its catch-up. */
const OUTAGE_MS_MAX = 300_000;

/** How often a missing ledger is asked for again before it counts as a gap. */
const GAP_RETRIES_MAX = 3;

/** Ledgers had before that are dropped in a row; a source that sends more is not moving on. */
const DUPLICATES_MAX = 1_000;

/** A service that is asked for a ledger far ahead and is silent for so long waits for that ledger. */
const REACH_MS = 3_000;

/** How services say that they have not got a ledger. */
const NO_SUCH_LEDGER: ReadonlySet<Code> = new Set([
  "NOT_FOUND",
  "OUT_OF_RANGE",
  "INVALID_ARGUMENT",
  "FAILED_PRECONDITION",
]);

/** Failures that asking again may mend. RESOURCE_EXHAUSTED is a source that is too busy. */
const RETRYABLE: ReadonlySet<grpc.status> = new Set([
  grpc.status.UNAVAILABLE,
  grpc.status.CANCELLED,
  grpc.status.UNKNOWN,
  grpc.status.DEADLINE_EXCEEDED,
  grpc.status.ABORTED,
  grpc.status.INTERNAL, // also what a broken HTTP/2 stream becomes
  grpc.status.RESOURCE_EXHAUSTED,
]);

/** A live source: how far back a read may begin is up to the service. `close` ends all reads, without an error. */
export class RawLedgerSource implements LedgerSource {
  readonly description: string;
  readonly seekable = false;
  readonly #address: string;
  readonly #options: Options;
  readonly #closing = new AbortController();

  /** @param address `host:port`. Nothing is opened before something is read. */
  constructor(address: string, options: RawLedgerOptions = {}) {
    this.#address = address;
    this.description = `raw ledgers from ${address}`;
    this.#options = {
      stallMsMax: STALL_MS_MAX,
      reconnectMsMin: RECONNECT_MS_MIN,
      reconnectMsMax: RECONNECT_MS_MAX,
      outageMsMax: OUTAGE_MS_MAX,
      gapRetriesMax: GAP_RETRIES_MAX,
      ...options,
    };
  }

  /** The service does not say. */
  networkPassphrase(): Promise<string | undefined> {
    return Promise.resolve(undefined);
  }

  /** The service does not say. */
  ledgerLatest(): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }

  /**
   * Asks the service for a ledger that is far away: silence is an answer, and so is that it has no such ledger.
   * @throws CodedError as `read`, at the first failure
   */
  async reach(): Promise<void> {
    const stream = new RawLedgerStream(this.#address, LEDGER_SEQUENCE_MAX, this.#options);
    try {
      const event = await stream.next(REACH_MS);
      if (event.kind === "garbage" || (event.kind === "ended" && event.status.code !== grpc.status.OK)) {
        throw this.#trouble(event, LEDGER_SEQUENCE_MAX);
      }
    } catch (thrown) {
      if (!NO_SUCH_LEDGER.has(CodedError.from(thrown).code)) throw thrown;
    } finally {
      stream.close();
    }
  }

  /**
   * One object a ledger, inflated. Cancels the call after `end`. Each read has a connection of its own.
   * @throws CodedError UNAVAILABLE / SOURCE_UNAVAILABLE after OUTAGE_MS_MAX without a ledger, SOURCE_TLS; NOT_FOUND /
   * LEDGER_MISSING for a gap; DATA_LOSS / LEDGER_OUT_OF_STEP, LEDGER_HEADER, RAW_LEDGER for a message that is not the
   * ledger it should be; RESOURCE_EXHAUSTED / LEDGER_TOO_LARGE; what else the service answers, as it is
   */
  async *read(
    start: number,
    end: number,
    signal: AbortSignal,
    onTrouble: TroubleListener = () => {},
    takesComing = false,
  ): AsyncGenerator<LedgerObject, void, undefined> {
    const last = checkRange(start, end);
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    const progress = new Progress(start, this.description, this.#options);
    while (progress.next <= last && !stop.aborted) {
      const stream = new RawLedgerStream(this.#address, progress.next, this.#options);
      const cancel = (): void => stream.close();
      stop.addEventListener("abort", cancel, { once: true });
      let trouble: CodedError | undefined;
      try {
        while (progress.next <= last && trouble === undefined) {
          const first = await (takesComing
            ? stream.nextOrComing(this.#options.stallMsMax, COMING_BYTES_MIN)
            : stream.next(this.#options.stallMsMax));
          if (stop.aborted) return;
          let isGiven = false;
          if (first.kind === "coming" && first.ledger.sequence === progress.next) {
            const { ledger, coming } = first;
            const release = () => {}; // below, with the whole message
            yield { ...this.#object(progress.next, ledger.ledgerCloseMetaXdr, release), coming };
            isGiven = !coming.isLost;
          }
          const event = first.kind === "coming" ? await stream.whole(first, this.#options.stallMsMax) : first;
          if (stop.aborted) return;
          if (event.kind !== "ledger") {
            trouble = this.#trouble(event, progress.next);
            break;
          }
          const { sequence, ledgerCloseMetaXdr } = event.ledger;
          const verdict = progress.judge(sequence);
          if (verdict === "duplicate") {
            event.release();
            continue;
          }
          if (verdict === "gap") {
            trouble = progress.gap(sequence);
            break;
          }
          if (isGiven) event.release();
          else yield this.#object(sequence, ledgerCloseMetaXdr, event.release);
          if (stop.aborted) return;
          progress.took();
        }
      } finally {
        stop.removeEventListener("abort", cancel);
        stream.close();
      }
      if (trouble === undefined) continue;
      const retryMs = progress.waitAfter(trouble);
      onTrouble(trouble, retryMs);
      await pause(retryMs, stop);
    }
  }

  close(): Promise<void> {
    this.#closing.abort();
    return Promise.resolve();
  }

  #object(sequence: number, bytes: Uint8Array, release: () => void): LedgerObject {
    const name = `${this.description}, ledger ${sequence}`;
    if (bytes.length > LEDGER_BYTES_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "LEDGER_TOO_LARGE",
        `${name}: ${bytes.length} B, over max ${LEDGER_BYTES_MAX} B`,
      );
    }
    const found = headerSequence(name, bytes);
    if (found !== sequence) {
      throw new CodedError("DATA_LOSS", "LEDGER_OUT_OF_STEP", `${name}: its header says ledger ${found}`);
    }
    return { name, ledgerFirst: sequence, ledgerLast: sequence, encoding: "none", container: "ledger", bytes, release };
  }

  /** Why the stream is over where that ledger should be, as an error that may be tried again (UNAVAILABLE). @throws CodedError where it may not */
  #trouble(event: Exclude<RawLedgerEvent, { kind: "ledger" }>, ledger: number): CodedError {
    switch (event.kind) {
      case "garbage":
        throw new CodedError(
          "DATA_LOSS",
          "RAW_LEDGER",
          `${this.description}: a message that is no RawLedger came where ledger ${ledger} should`,
          { cause: event.error },
        );
      case "stalled":
        return this.#unavailable(`nothing came for ${this.#options.stallMsMax} ms`);
      case "closed":
        return this.#unavailable("the stream was closed");
      case "ended":
        return this.#ended(event, ledger);
    }
  }

  /** As `#trouble`, for a call that has ended by itself. */
  #ended({ status, cause: thrown, stage }: Extract<RawLedgerEvent, { kind: "ended" }>, ledger: number): CodedError {
    if (status.code === grpc.status.OK) return this.#unavailable("the source ended the stream");
    const fault = tlsFault(this.description, thrown, "SOURCE");
    if (fault !== undefined) throw fault;
    const { code, reason, message: said } = receivedError(status);
    const message = withoutSecret(said, this.#options);
    const cause = message === said ? thrown : undefined; // logs show causes
    if (status.code === grpc.status.RESOURCE_EXHAUSTED && message.includes("larger than max")) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "LEDGER_TOO_LARGE",
        `${this.description}: a ledger over max ${LEDGER_BYTES_MAX} B came where ${ledger} should (${message})`,
        { cause },
      );
    }
    if (!RETRYABLE.has(status.code)) {
      throw CodedError.received(code, reason, `${this.description}: ${message}`, { cause });
    }
    const isMute = stage === "greeting" && status.code !== grpc.status.DEADLINE_EXCEEDED && !this.#options.isSecure;
    const hint = isMute ? "; no gRPC was spoken: does it speak TLS? Then write grpcs://" : "";
    return this.#unavailable(`${grpc.status[status.code] ?? status.code}: ${message}${hint}`, cause);
  }

  #unavailable(detail: string, cause?: unknown): CodedError {
    return new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", `${this.description}: ${detail}`, { cause });
  }
}

/** Where a read stands over all its connections, and how much patience is left. */
class Progress {
  /** Next ledger needed. */
  next: number;
  readonly #description: string;
  readonly #options: Options;
  /** Tries since the last ledger. */
  #tries = 0;
  #gaps = 0;
  #duplicates = 0;
  /** When the last ledger was taken, or reading began. */
  #movedAt = Date.now();

  constructor(start: number, description: string, options: Options) {
    this.next = start;
    this.#description = description;
    this.#options = options;
  }

  /** @throws CodedError DATA_LOSS / LEDGER_OUT_OF_STEP for a source that keeps repeating itself */
  judge(sequence: number): "next" | "duplicate" | "gap" {
    if (sequence === this.next) return "next";
    if (sequence > this.next) return "gap";
    if (++this.#duplicates > DUPLICATES_MAX) {
      throw new CodedError(
        "DATA_LOSS",
        "LEDGER_OUT_OF_STEP",
        `${this.#description}: ${DUPLICATES_MAX} ledgers before ${this.next} came in its place, the last one ${sequence}`,
      );
    }
    return "duplicate";
  }

  took(): void {
    this.next++;
    this.#tries = 0;
    this.#gaps = 0;
    this.#duplicates = 0;
    this.#movedAt = Date.now();
  }

  /** `sequence` came where an earlier one is needed. @throws CodedError NOT_FOUND / LEDGER_MISSING after some tries */
  gap(sequence: number): CodedError {
    const message = `${this.#description}: ledger ${sequence} came where ${this.next} should`;
    if (this.#gaps++ < this.#options.gapRetriesMax) return new CodedError("UNAVAILABLE", "LEDGER_MISSING", message);
    throw new CodedError(
      "NOT_FOUND",
      "LEDGER_MISSING",
      `${message}, after ${this.#options.gapRetriesMax} more tries: the source does not have it`,
    );
  }

  /** Milliseconds to wait before the next try. @throws `trouble` where the source has been away for too long */
  waitAfter(trouble: CodedError): number {
    const awayMs = Date.now() - this.#movedAt;
    if (awayMs >= this.#options.outageMsMax) {
      throw CodedError.received(
        "UNAVAILABLE",
        trouble.reason,
        `${trouble.message}; no ledger for ${awayMs} ms in ${this.#tries + 1} tries, over max ${this.#options.outageMsMax} ms`,
        { cause: trouble },
      );
    }
    return backoffMs(this.#tries++, this.#options.reconnectMsMin, this.#options.reconnectMsMax);
  }
}
