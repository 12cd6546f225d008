/**
 * The bytes of one ledger that is walked while they come. The walk asks at each transaction, and is let on once so much
 * more is there that the next transaction is among it, as nearly all are. What it has read is known to have been there
 * when the next one is reached; where it was not, the walk has read what is no ledger, and all that it found is void.
 */

/** Thrown out of a walk that needs bytes which have not come, or has read where there were none. */
export const NOT_HERE = new Error("the ledger has not come so far");

const AHEAD_BYTES = 256 << 10; // what a transaction leaves behind is hardly ever longer

/** For one walk, from a ledger's beginning. */
export class Arrival {
  /**
   * @param here how many bytes were there when the walk began
   * @param total how many the ledger has
   * @param until waits until so many are there, and answers with how many are; throws NOT_HERE where that is not to be waited for
   */
  constructor(
    private here: number,
    private readonly total: number,
    private readonly until: (bytes: number) => number,
  ) {}

  /** Whether the walk may have read what was not there. */
  get isOpen(): boolean {
    return this.here < this.total;
  }

  /** The walk has read everything before `p`. @throws NOT_HERE */
  reach(p: number): void {
    if (p > this.here) throw NOT_HERE;
    const wanted = Math.min(p + AHEAD_BYTES, this.total);
    if (this.here < wanted) this.here = this.until(wanted);
  }
}
