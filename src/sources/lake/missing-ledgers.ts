/**
 * Ledgers that are missing inside a file of several: one rule for sessions, ranges and decode. A lake file holds every
 * ledger that its name says, but for a network's first ones.
 */
import { CodedError } from "../../error.ts";

/**
 * The last ledger that may be absent. Ledger 1 is the network's genesis, which has no LedgerCloseMeta, and a node that
 * starts a network exports from ledger 2 or 3 on.
 */
const ABSENT_LEDGER_MAX = 3;

/**
 * The error of a file that lacks the ledgers `first` to `last`, which its name says that it holds.
 *
 * @param name of the file, for messages
 * @returns DATA_LOSS / LEDGER_MISSING; undefined where none is missing, or only a network's first ones
 */
export function missingLedgers(name: string, first: number, last: number): CodedError | undefined {
  if (last < first || last <= ABSENT_LEDGER_MAX) return undefined;
  const what = first === last ? `ledger ${first} is` : `ledgers ${first} to ${last} are`;
  return new CodedError(
    "DATA_LOSS",
    "LEDGER_MISSING",
    `${name}: ${what} missing in it, though its name says that it holds them: export the file again`,
  );
}
