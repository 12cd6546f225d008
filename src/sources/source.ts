/**
 * Where ledgers come from. A source yields objects in ledger order, each still in its stored form: inflating and
 * decoding is the workers' job, so a source only moves bytes.
 */
import type { CodedError } from "../error.ts";

/** Bytes of an object that are still coming, from the front on. */
export interface ComingBytes {
  /** How many have come. */
  filled(): number;
  /** Resolves once so many have come; false where no more will: the read goes on with why, or with the object again. */
  until(bytes: number): Promise<boolean>;
}

/** One stored object: a lake file, or one ledger off a stream. */
export interface LedgerObject {
  /** Where it came from, for error messages: a path, a key, an address with a sequence number. */
  name: string;
  /**
   * First and last ledger that the object holds, both inclusive. It may begin before the ledger that is needed next: the
   * first one of a read, and the first one of a join's next member.
   */
  ledgerFirst: number;
  ledgerLast: number;
  /** How `bytes` is compressed. */
  encoding: "none" | "zstd";
  /** What the inflated bytes are: one LedgerCloseMeta, or a LedgerCloseMetaBatch (SEP-54). */
  container: "ledger" | "batch";
  bytes: Uint8Array;
  /** Absent: all of `bytes` is there. */
  coming?: ComingBytes;
  /** Gives the memory of `bytes` back at once: for a reader that has copied what it needs. Nobody may use them afterwards. */
  release?: () => void;
}

/**
 * Told of each failed try that a source makes up for by itself, and of the time until the next one; told of `undefined`
 * when a look at the source has succeeded and there is nothing new.
 */
export type TroubleListener = (trouble: CodedError | undefined, retryMs: number) => void;

/** How a source fares, for people who look at health. */
export interface SourceCondition {
  message: string;
  well: boolean;
}

/**
 * One kind of source: a lake, a raw ledger service, a repeated file. Several reads may run at once, each from its own
 * start. `close` ends all of them.
 */
export interface LedgerSource {
  /** For people: `lake /data/pubnet`, `raw ledgers from localhost:50053`. */
  readonly description: string;
  /** True where any range can be read at any time (a lake); false for a live stream. */
  readonly seekable: boolean;
  /** The network that the source says it holds, where it says so (a lake's manifest). */
  networkPassphrase(): Promise<string | undefined>;
  /** The newest ledger that the source has now, where it can tell. */
  ledgerLatest(): Promise<number | undefined>;
  /** Asks whether it can be read, where neither the network nor the newest ledger is asked of it. @throws CodedError why not */
  reach?(): Promise<void>;
  /**
   * Objects covering `start` to `end` inclusive (`end` 0: for ever), in order, with no gap: a gap is an error.
   * The next object is fetched only when it is asked for (plus a bounded read-ahead), so not pulling is the
   * backpressure. Stops early, without an error, when `signal` aborts.
   * @param takesComing a large object may be given while it is still coming
   * @throws CodedError NOT_FOUND / UNAVAILABLE / PERMISSION_DENIED for what may come yet, after some tries;
   * DATA_LOSS for what will stay as it is; OUT_OF_RANGE
   */
  read(
    start: number,
    end: number,
    signal: AbortSignal,
    onTrouble?: TroubleListener,
    takesComing?: boolean,
  ): AsyncIterable<LedgerObject>;
  /** Where there is more to say than `description`; waits for nothing. */
  condition?(): SourceCondition;
  close(): Promise<void>;
}
