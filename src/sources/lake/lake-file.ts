/**
 * The ledgers of one lake file, checked against its name: one rule for sessions, ranges and decode. A lake file holds
 * every ledger that its name says and no other, but for a network's first ones.
 */

import { CodedError } from "../../error.ts";
import { type BatchLedger, batchRange, splitBatch } from "../../ledger/batch.ts";
import type { LedgerRange } from "../../vocabulary/ledger-range.ts";

/**
 * The last ledger that may be absent. Ledger 1 is the network's genesis, which has no LedgerCloseMeta, and core hands out
 * nothing before ledger 3 where its exporter asks for the network's beginning.
 */
const ABSENT_LEDGER_MAX = 2;

/** A lake file: the ledgers that its name says, and those of them that are wanted. */
interface LakeFile {
  /** Key of the file, for messages. */
  name: string;
  named: LedgerRange;
  wanted: LedgerRange;
}

/** Told of wanted ledgers that the file lacks, before the next ledger is given. */
type MissingListener = (missing: CodedError, ledgerFirst: number, ledgerLast: number) => void;

/**
 * The wanted ledgers of a lake file, in order; those before a fault are given.
 *
 * @param xdr content of the file, inflated: one LedgerCloseMetaBatch
 * @param onMissing default: throws the error
 * @throws CodedError DATA_LOSS: LEDGER_OUT_OF_STEP where it holds other ledgers than its name says, LEDGER_MISSING where
 * it lacks some, and what `splitBatch` throws
 */
export function* ledgersOfLakeFile(
  { name, named, wanted }: LakeFile,
  xdr: Uint8Array,
  onMissing: MissingListener = throwMissing,
): Generator<BatchLedger, void, undefined> {
  const { first, last } = batchRange(xdr);
  if (first < named.ledgerFirst || last > named.ledgerLast) {
    throw new CodedError(
      "DATA_LOSS",
      "LEDGER_OUT_OF_STEP",
      `${name}: it is named for ledgers ${named.ledgerFirst} to ${named.ledgerLast} and holds ${first} to ${last}`,
    );
  }
  const tellMissing = (from: number, ledgerLast: number) => {
    const ledgerFirst = Math.max(from, ABSENT_LEDGER_MAX + 1);
    if (ledgerFirst <= ledgerLast) onMissing(missingError(name, ledgerFirst, ledgerLast), ledgerFirst, ledgerLast);
  };
  tellMissing(wanted.ledgerFirst, Math.min(first - 1, wanted.ledgerLast));
  if (first <= wanted.ledgerLast) {
    for (const ledger of splitBatch(xdr)) {
      if (ledger.sequence > wanted.ledgerLast) break;
      if (ledger.sequence >= wanted.ledgerFirst) yield ledger;
    }
  }
  tellMissing(Math.max(last + 1, wanted.ledgerFirst), wanted.ledgerLast);
}

function missingError(name: string, first: number, last: number): CodedError {
  const isOne = first === last;
  const what = isOne ? `ledger ${first} is` : `ledgers ${first} to ${last} are`;
  return new CodedError(
    "DATA_LOSS",
    "LEDGER_MISSING",
    `${name}: ${what} missing in it, though its name says that it holds ${isOne ? "it" : "them"}: export the file again`,
  );
}

function throwMissing(missing: CodedError): never {
  throw missing;
}
