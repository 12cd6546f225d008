/**
 * Where a Galexie data lake (SEP-54) keeps each ledger: pure arithmetic between sequence numbers and object keys.
 *
 *     FC807DFF--58688000-58751999/FC7F8400--58751999.xdr.zst
 *     └─ partition, only if it has more than one file      └─ -<last> only if the file holds more than one ledger
 *
 * Each part begins with 0xFFFFFFFF minus its first ledger, as 8 upper-case hex digits, so that a listing in byte order
 * gives the newest first.
 */

import { CodedError } from "../../error.ts";
import type { LedgerRange } from "../../vocabulary/ledger-range.ts";
import { LEDGER_SEQUENCE_MAX } from "../limits.ts";

/** `zst` is written today; lakes of before mid-2025 have `zstd`. The content is the same. */
export type LakeExtension = "zst" | "zstd";

/** What decides every key of a lake. The manifest has it, and `inferLayout` reads it from a key. */
export interface LakeLayout {
  /** Ledgers in a file, 1 or more. */
  ledgersPerBatch: number;
  /** Files in a partition, 1 or more; 1 means that there are no partition folders. */
  batchesPerPartition: number;
  extension: LakeExtension;
}

/** What the key of a lake object says. */
export interface LakeKey extends LedgerRange {
  /** The partition folder that the key names, absent where it has none. */
  partition?: LedgerRange;
  extension: LakeExtension;
}

/**
 * The file that holds `ledger`: which ledgers it spans. The last file of all ends at 2^32-1, however short.
 * @throws CodedError INVALID_ARGUMENT / LAKE_LAYOUT where the numbers of the layout or the sequence cannot be
 */
export function batchRange(layout: LakeLayout, ledger: number): LedgerRange {
  checkLayout(layout);
  checkSequence(ledger);
  return rangeOf(ledger, layout.ledgersPerBatch);
}

/** The objects that hold the ledgers `first` to `last`, in order; the outermost may hold others too. */
export function* batchesOf(layout: LakeLayout, first: number, last: number): Generator<LedgerRange, void, undefined> {
  for (let next = first; next <= last; ) {
    const batch = batchRange(layout, next);
    yield batch;
    next = batch.ledgerLast + 1;
  }
}

/** The partition that holds `ledger`, or undefined where the layout has no partitions. */
export function partitionRange(layout: LakeLayout, ledger: number): LedgerRange | undefined {
  checkLayout(layout);
  checkSequence(ledger);
  if (layout.batchesPerPartition === 1) return undefined;
  return rangeOf(ledger, layout.ledgersPerBatch * layout.batchesPerPartition);
}

/** The object key, relative to the lake's root and with `/` between its parts, of the file that holds `ledger`. */
export function lakeKey(layout: LakeLayout, ledger: number): string {
  const partition = partitionRange(layout, ledger);
  const batch = batchRange(layout, ledger);
  const folder = partition === undefined ? "" : `${partitionName(partition)}/`;
  return `${folder}${rangeName(batch)}.xdr.${layout.extension}`;
}

/** The folder name of a partition: both ends are always written. */
function partitionName(partition: LedgerRange): string {
  return `${inverted(partition.ledgerFirst)}--${partition.ledgerFirst}-${partition.ledgerLast}`;
}

/**
 * What a key says, or undefined where it is not one of a lake object: a manifest, a temporary file, hex that does not
 * match the number, a leading zero, an end before the start, or a file outside its partition.
 */
export function parseLakeKey(key: string): LakeKey | undefined {
  const slash = key.indexOf("/");
  const file = slash === -1 ? key : key.slice(slash + 1);
  const match = FILE_NAME.exec(file);
  if (match === null) return undefined;
  const range = parseRange(match[1]!, match[2]!, match[3]);
  if (range === undefined) return undefined;
  const extension = match[4] as LakeExtension;
  if (slash === -1) return { ...range, extension };
  const partition = parsePartitionName(key.slice(0, slash));
  if (partition === undefined) return undefined;
  if (range.ledgerFirst < partition.ledgerFirst || range.ledgerLast > partition.ledgerLast) return undefined;
  return { ...range, partition, extension };
}

/** What a partition folder's name says, or undefined where it is not one. */
export function parsePartitionName(name: string): LedgerRange | undefined {
  const match = PARTITION_NAME.exec(name);
  return match === null ? undefined : parseRange(match[1]!, match[2]!, match[3]!);
}

/**
 * The layout that a key shows, or undefined where one key cannot tell: the last file or partition may be cut off at
 * 2^32-1, and the sizes must divide what they hold.
 */
export function inferLayout(key: LakeKey): LakeLayout | undefined {
  if (key.ledgerLast === LEDGER_SEQUENCE_MAX || key.partition?.ledgerLast === LEDGER_SEQUENCE_MAX) return undefined;
  const ledgersPerBatch = key.ledgerLast - key.ledgerFirst + 1;
  const partitionLedgers =
    key.partition === undefined ? ledgersPerBatch : key.partition.ledgerLast - key.partition.ledgerFirst + 1;
  if (partitionLedgers % ledgersPerBatch !== 0) return undefined;
  if (key.ledgerFirst % ledgersPerBatch !== 0) return undefined;
  if (key.partition !== undefined && key.partition.ledgerFirst % partitionLedgers !== 0) return undefined;
  return { ledgersPerBatch, batchesPerPartition: partitionLedgers / ledgersPerBatch, extension: key.extension };
}

const FILE_NAME = /^([0-9A-F]{8})--(\d{1,10})(?:-(\d{1,10}))?\.xdr\.(zstd?)$/;
const PARTITION_NAME = /^([0-9A-F]{8})--(\d{1,10})-(\d{1,10})$/;

function rangeOf(ledger: number, size: number): LedgerRange {
  const ledgerFirst = ledger - (ledger % size);
  return { ledgerFirst, ledgerLast: Math.min(ledgerFirst + size - 1, LEDGER_SEQUENCE_MAX) };
}

function rangeName({ ledgerFirst, ledgerLast }: LedgerRange): string {
  const name = `${inverted(ledgerFirst)}--${ledgerFirst}`;
  return ledgerFirst === ledgerLast ? name : `${name}-${ledgerLast}`;
}

function inverted(ledger: number): string {
  return (LEDGER_SEQUENCE_MAX - ledger).toString(16).toUpperCase().padStart(8, "0");
}

function parseRange(hex: string, first: string, last: string | undefined): LedgerRange | undefined {
  const ledgerFirst = Number(first);
  const ledgerLast = last === undefined ? ledgerFirst : Number(last);
  if (ledgerLast > LEDGER_SEQUENCE_MAX || ledgerLast < ledgerFirst) return undefined;
  // Only one spelling is a key: `007` or `5-5` would name an object that no writer looks up.
  if (String(ledgerFirst) !== first || (last !== undefined && (String(ledgerLast) !== last || last === first))) {
    return undefined;
  }
  return inverted(ledgerFirst) === hex ? { ledgerFirst, ledgerLast } : undefined;
}

function checkLayout({ ledgersPerBatch, batchesPerPartition }: LakeLayout): void {
  for (const [name, value] of Object.entries({ ledgersPerBatch, batchesPerPartition })) {
    if (!Number.isInteger(value) || value < 1 || value > LEDGER_SEQUENCE_MAX) {
      throw new CodedError(
        "INVALID_ARGUMENT",
        "LAKE_LAYOUT",
        `${name} is ${value}: it must be a whole number from 1 to ${LEDGER_SEQUENCE_MAX}`,
      );
    }
  }
}

function checkSequence(ledger: number): void {
  if (!Number.isInteger(ledger) || ledger < 0 || ledger > LEDGER_SEQUENCE_MAX) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "LEDGER_SEQUENCE",
      `ledger ${ledger} is not a sequence number: it must be a whole number from 0 to ${LEDGER_SEQUENCE_MAX}`,
    );
  }
}
