/**
 * An object whose bytes come in parts, and what is decoded of it before the last of them is here. HOT PATH.
 *
 * Its ledger is walked while the worker has nothing else to do. Whatever else comes goes first: then the ledger is decoded
 * from its beginning once it is whole, as any other.
 */
import { Arrival, NOT_HERE } from "../ledger/arrival.ts";
import type { LedgerDecoder } from "../ledger/decoder.ts";
import type { LedgerSummary } from "../ledger/decoder-options.ts";
import type { RowSet } from "../ledger/row-set.ts";
import type { ObjectRecord } from "./records.ts";

const TRIES_MAX = 8; // walks that are begun; each has twice the bytes of the one before, unless other work has come

/** One object, until it is whole or lost. */
export class ComingObject {
  private filled = 0;
  private tries = 0;

  /** @param bytes memory for all of it */
  constructor(
    readonly record: ObjectRecord,
    readonly bytes: Uint8Array,
  ) {}

  get isWhole(): boolean {
    return this.filled === this.bytes.length;
  }

  add(part: Uint8Array): void {
    this.bytes.set(part, this.filled);
    this.filled += part.length;
  }

  /** Whether it is one ledger as it stands, and walking it is worth another try. */
  get isWalkable(): boolean {
    const { encoding, container } = this.record;
    return encoding === "none" && container === "ledger" && this.tries < TRIES_MAX;
  }

  /**
   * Decodes its one ledger while it comes.
   * @param more adds the next part, which it waits for; false where other work has come, or no part will
   * @returns undefined where that has not come to its end: nothing is in `targets`
   */
  decode(decoder: LedgerDecoder, targets: readonly RowSet[], more: () => boolean): LedgerSummary | undefined {
    const { bytes } = this;
    let isLeft = false;
    const until = (wanted: number) => {
      while (this.filled < wanted && !isLeft) isLeft = !more();
      if (isLeft) throw NOT_HERE;
      return this.filled;
    };
    for (let wanted = 0; this.isWalkable && !isLeft; wanted = Math.min(2 * this.filled, bytes.length)) {
      this.tries += 1;
      try {
        return decoder.decodeComing(new Arrival(until(wanted), bytes.length, until), bytes, ...targets);
      } catch (thrown) {
        if (thrown !== NOT_HERE) return undefined; // decoded as any other it says so again
      }
    }
    return undefined;
  }
}
