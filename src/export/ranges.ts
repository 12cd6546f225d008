/**
 * Which ledgers an export is to hold. Each range that somebody has asked for is an object of its own, numbered from 0
 * and written where there is none: so they have one order, which everybody sees, and no ledger is in two of them. Their
 * chunks follow from them alone, whoever writes.
 */
import { CodedError } from "../error.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import type { WritableStorage } from "../sources/lake/lake-storage.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { jsonBytes, KEYS, parseJson } from "./settings.ts";
import { readObject } from "./storage.ts";

const NUMBER_DIGITS = 6;

/** The ranges so far, in the order in which they were asked for. @throws CodedError as `readObject` and `parseJson` */
export async function readRanges(storage: WritableStorage): Promise<LedgerRange[]> {
  const ranges: LedgerRange[] = [];
  for (;;) {
    const key = rangeKey(ranges.length);
    const bytes = await readObject(storage, key);
    if (bytes === undefined) return ranges;
    ranges.push(parseRange(storage.nameOf(key), bytes));
  }
}

/**
 * Adds what of `wanted` is not asked for yet.
 * @returns the ranges with which `wanted` is covered
 */
export async function claimRange(storage: WritableStorage, wanted: LedgerRange): Promise<LedgerRange[]> {
  for (;;) {
    const ranges = await readRanges(storage);
    const [missing] = without(wanted, ranges);
    if (missing === undefined) return ranges.filter((range) => overlaps(range, wanted));
    const { ledgerFirst, ledgerLast } = missing;
    const bytes = jsonBytes({ ledger_first: ledgerFirst, ledger_last: ledgerLast });
    await storage.putIfAbsent(rangeKey(ranges.length), bytes); // where somebody else was first, all is looked at again
  }
}

/** The chunks of ranges, in the order of their ledgers: cut where a multiple of `chunkLedgers` begins. */
export function chunksOf(ranges: readonly LedgerRange[], chunkLedgers: number): LedgerRange[] {
  const chunks: LedgerRange[] = [];
  for (const range of ranges) {
    for (let ledgerFirst = range.ledgerFirst; ledgerFirst <= range.ledgerLast; ) {
      const next = (Math.floor(ledgerFirst / chunkLedgers) + 1) * chunkLedgers;
      chunks.push({ ledgerFirst, ledgerLast: Math.min(next - 1, range.ledgerLast) });
      ledgerFirst = next;
    }
  }
  return chunks.sort((a, b) => a.ledgerFirst - b.ledgerFirst);
}

/** The chunks in which there are ledgers of `wanted`, in the order of their ledgers. */
export function chunksWithin(ranges: readonly LedgerRange[], chunkLedgers: number, wanted: LedgerRange): LedgerRange[] {
  return chunksOf(ranges, chunkLedgers).filter((chunk) => overlaps(chunk, wanted));
}

/** What of a range is in none of the others. */
export function without(range: LedgerRange, others: readonly LedgerRange[]): LedgerRange[] {
  const missing: LedgerRange[] = [];
  let { ledgerFirst } = range;
  for (const other of others.toSorted((a, b) => a.ledgerFirst - b.ledgerFirst)) {
    if (other.ledgerLast < ledgerFirst || other.ledgerFirst > range.ledgerLast) continue;
    if (other.ledgerFirst > ledgerFirst) missing.push({ ledgerFirst, ledgerLast: other.ledgerFirst - 1 });
    ledgerFirst = other.ledgerLast + 1;
  }
  if (ledgerFirst <= range.ledgerLast) missing.push({ ledgerFirst, ledgerLast: range.ledgerLast });
  return missing;
}

function parseRange(name: string, bytes: Uint8Array): LedgerRange {
  const { ledger_first: ledgerFirst, ledger_last: ledgerLast } = parseJson(name, bytes) as Record<string, unknown>;
  const isLedger = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0;
  if (isLedger(ledgerFirst) && isLedger(ledgerLast) && ledgerFirst <= ledgerLast && ledgerLast <= LEDGER_SEQUENCE_MAX) {
    return { ledgerFirst, ledgerLast };
  }
  throw new CodedError("DATA_LOSS", "EXPORT_CHANGED", `${name}: it names no range of ledgers`);
}

function overlaps(a: LedgerRange, b: LedgerRange): boolean {
  return a.ledgerFirst <= b.ledgerLast && b.ledgerFirst <= a.ledgerLast;
}

function rangeKey(number: number): string {
  return `${KEYS.ranges}/${String(number).padStart(NUMBER_DIGITS, "0")}.json`;
}
