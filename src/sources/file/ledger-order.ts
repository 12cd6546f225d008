/**
 * The rule for repeats in whatever a file keeps ledgers in: a ledger is given once, and in rising order; lines of text
 * are a collection without an order, so they may come in any. A gap is no fault here, since a file given by hand promises
 * nothing about what is not in it (docs/ledger-containers.md).
 */
import { CodedError } from "../../error.ts";

/** A ledger's number and the place where it was found. */
interface PlacedLedger {
  sequence: number;
  byteOffset: number;
}

/** Refuses the ledger that one file gives a second time. */
export class LedgerOrder {
  private before: PlacedLedger | undefined;
  /** Where each ledger of a collection was found; undefined for what is in rising order. */
  private readonly found: Map<number, number> | undefined;

  /** @param name of the file, for messages */
  constructor(
    private readonly name: string,
    order: "rising" | "any",
  ) {
    this.found = order === "any" ? new Map() : undefined;
  }

  /** @throws CodedError DATA_LOSS / LEDGER_OUT_OF_STEP for a ledger that comes again, or before its place */
  check(ledger: PlacedLedger): void {
    const { before, found } = this;
    if (found !== undefined) {
      const byteOffset = found.get(ledger.sequence);
      if (byteOffset !== undefined) throw this.refused(ledger, { sequence: ledger.sequence, byteOffset });
      found.set(ledger.sequence, ledger.byteOffset);
    } else if (before !== undefined && ledger.sequence <= before.sequence) throw this.refused(ledger, before);
    this.before = ledger;
  }

  private refused(ledger: PlacedLedger, before: PlacedLedger): CodedError {
    const rule = this.found === undefined ? "each ledger once, in rising order" : "each ledger once";
    return new CodedError(
      "DATA_LOSS",
      "LEDGER_OUT_OF_STEP",
      `${this.name}: ledger ${ledger.sequence} at byte ${ledger.byteOffset} comes behind ledger ${before.sequence} at byte ${before.byteOffset}: a file holds ${rule}; repair it so`,
    );
  }
}
