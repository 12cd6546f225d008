/**
 * What crosses the rings. A message is a msgpack record and, behind it, the bytes that it speaks of:
 *
 * ```
 *   u32 record bytes │ record (msgpack) │ padding to 8 │ attachment
 * ```
 *
 * Every record carries the version of this format, so that a mismatch is an error and not a guess.
 */
import { Packr } from "msgpackr";
import { CodedError, type ErrorRecord } from "../error.ts";
import type { ChainLink } from "../ledger/chain.ts";
import type { Compat } from "../vocabulary/compat.ts";
import type { Compression } from "../vocabulary/compression.ts";
import type { Dataset } from "../vocabulary/dataset.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import type { OnError } from "../vocabulary/on-error.ts";
import type { Position } from "../vocabulary/position.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";

const RECORD_VERSION = 6;

/** Skipped ledgers that one record names; a count goes beside it, so that no number is lost. */
export const SKIPPED_LISTED_MAX = 100;

/** Ledgers left out that a span tells with their errors: so many are logged, and the last one is in the status. */
export const SKIPS_TOLD_MAX = 10;

/** Message tags from the main thread to a decode worker. */
export const INPUT = { OPEN: 1, CLOSE: 2, OBJECT: 3, SPAN_END: 4, SKIP: 5, ASSETS: 6, PART: 7 } as const;
/** Message tags from a decode worker to the data plane. */
export const OUTPUT = { BATCH: 1, SPAN_DONE: 2 } as const;

/** From this ledger on, that filter: a stream's filter may change, at ledger boundaries only. */
export interface FilterStep {
  ledgerFrom: number;
  filter: FilterRecord;
}

/** An asset, and the first ledger of the stream that knows it: ledger/known-assets.ts. */
export interface AssetRecord {
  /** As SEP-11 writes it. */
  asset: string;
  ledgerFrom: number;
}

/** Additions to what a stream knows of assets. */
export interface AssetsRecord {
  stream: number;
  assets: AssetRecord[];
}

/**
 * How a worker is to treat the spans of a stream. It goes to a worker before the stream's first span there, and again
 * before the first span after a change.
 */
export interface StreamSpec {
  /** Small number, unique among the streams of this process. */
  stream: number;
  /** Counts the changes of this spec. */
  revision: number;
  networkPassphrase: string;
  compat: Compat;
  /** In rising order of ledgers; the first begins at or before the stream. */
  filters: FilterStep[];
  /** Absent: contract data alone. */
  datasets?: readonly Dataset[];
  /** The version of contract data; other datasets have their newest up to it. */
  schemaVersion: SchemaVersion;
  /** Names of the columns wanted; absent = all. */
  columns?: string[];
  /** False: columns of words are text. Absent: dictionaries. */
  dictionaries?: boolean;
  compression: Compression;
  /** Where the stream begins, perhaps inside a ledger. */
  start: Position;
  /** Where the stream ends when that is inside a ledger: before that position. */
  end?: Position;
  /** Rows a batch at most; 0 = as many as make about `batchBytesTarget`. */
  batchRowsMax: number;
  /** Rows that the target never goes below. */
  batchRowsMinTarget: number;
  batchBytesTarget: number;
  /** Body bytes that one batch may never exceed. */
  batchBytesMax: number;
  ledgerBytesMax: number;
  onError: OnError;
  /** Whether each ledger has to follow the one before. */
  verifyChain: boolean;
  /** After how many ledgers what a ledger shows of assets is known; absent: the stream does not learn. */
  assetDelayLedgers?: number;
  /**
   * At least 2: rows of contract data are dealt out to so many partitions by their contract ids, others by their key
   * hashes. Absent: it has none.
   */
  partitions?: number;
}

/** Header of an OBJECT; the attachment is the object's stored bytes, or the first of them. */
export interface ObjectRecord {
  stream: number;
  span: number;
  name: string;
  encoding: "none" | "zstd";
  container: "ledger" | "batch";
  /** The ledgers that the object's name says it holds, inclusive. */
  named: LedgerRange;
  /** The ledgers of this object that the stream wants, inclusive. */
  ledgerFirst: number;
  ledgerLast: number;
  /** Where the span's time goes is asked for. */
  traced?: true;
  /** How many bytes it has, where more of them follow as PARTs. */
  bytes?: number;
}

/** Header of a PART; the attachment is the next bytes of the stream's object. */
export interface PartRecord {
  stream: number;
  /** No more of it will come: the worker forgets it. */
  isLost?: true;
}

/** The span has no more objects. */
export interface SpanEndRecord {
  stream: number;
  span: number;
}

/** A ledger that was left out (ON_ERROR=skip), and why. */
export interface LedgerSkip {
  ledger: number;
  error: ErrorRecord;
}

/** A ledger that the source has, but not whole: counted as skipped in its place. */
export interface SkipRecord {
  stream: number;
  span: number;
  ledger: number;
  error: ErrorRecord;
}

/** Header of a BATCH; the attachment is the Arrow data header, padding to 8, and the body. */
export interface BatchRecord {
  stream: number;
  span: number;
  /** Which part of the stream it belongs to, by its number in `partNames`, where the stream has several. */
  part?: number;
  ledgerFirst: number;
  ledgerLast: number;
  /** The last ledger that is complete once this batch is consumed; 0 when none of this span is. */
  ledgerComplete: number;
  /** Close time of that ledger (of the batch's last ledger where none is complete). */
  closedAtUnixSeconds: number;
  rows: number;
  next: Position;
  /** Ledgers left out since the batch before (ON_ERROR=skip), SKIPPED_LISTED_MAX of them at most. */
  skipped?: number[];
  /** From which ledger the filter holds that decided about `ledgerLast`. */
  filterFrom?: number;
  /** As in SpanDoneRecord: what came before this batch was full. */
  learned?: AssetRecord[];
  /** As in SpanDoneRecord, in the span's first batch. */
  chainFirst?: ChainLink;
  headerBytes: number;
  bodyBytes: number;
}

/** Where a worker's time has gone for one span. Times are unixNowMs. */
export interface SpanTrace {
  begunUnixMs: number;
  doneUnixMs: number;
  stagesMs: { inflate: number; decode: number; encode: number; outputWait: number };
}

/** Closes a span: what was in it, and what went wrong where something did. */
export interface SpanDoneRecord {
  stream: number;
  span: number;
  ledgers: number;
  ledgerLast: number;
  /** Behind everything up to that ledger. */
  next: Position;
  /** From which ledger the filter holds that decided about `ledgerLast`. */
  filterFrom?: number;
  closedAtUnixSeconds: number;
  rows: number;
  rowsFiltered: number;
  /** Inflated LedgerCloseMeta bytes. */
  xdrBytes: number;
  batches: number;
  /** Ledgers left out because they could not be decoded (ON_ERROR=skip). */
  ledgersSkipped: number;
  /** Skipped ledgers with their errors, SKIPS_TOLD_MAX at most: the first ones, and the last. */
  skips?: LedgerSkip[];
  /** Skipped ledgers that no batch of the span has named. */
  skipped?: number[];
  /** Assets that its ledgers showed and the worker did not know, in the order of ledgers; those that no batch has told. */
  learned?: AssetRecord[];
  /** The span's first ledger, which has to follow the span before; absent where a batch has told it. */
  chainFirst?: ChainLink;
  /** The span's last ledger, which the next span has to follow; absent where that was left out. */
  chainLast?: ChainLink;
  /** Time the worker spent on it. */
  durationMs: number;
  /** Where that was asked for. */
  trace?: SpanTrace;
  error?: ErrorRecord;
}

const packr = new Packr({ useRecords: false, mapsAsObjects: true });

/** The front part of a message: length, record, padding. */
export function packRecord(record: object): Uint8Array {
  const packed = packr.pack({ version: RECORD_VERSION, ...record });
  const front = new Uint8Array(align8(4 + packed.length));
  new DataView(front.buffer).setUint32(0, packed.length, true);
  front.set(packed, 4);
  return front;
}

/** A message taken apart; `attachment` is a view on the payload. */
export function unpackRecord<T extends object>(payload: Uint8Array): { record: T; attachment: Uint8Array } {
  const length = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0, true);
  // msgpackr reads plain memory only, and the record is small
  const record = packr.unpack(payload.slice(4, 4 + length)) as T & { version: number };
  if (record.version !== RECORD_VERSION) {
    throw new CodedError(
      "INTERNAL",
      "RECORD_VERSION",
      `a thread sent a record of version ${record.version}; this one reads version ${RECORD_VERSION}`,
    );
  }
  return { record, attachment: payload.subarray(align8(4 + length)) };
}

/** The next multiple of 8, in bytes. */
export function align8(bytes: number): number {
  return (bytes + 7) & ~7;
}
