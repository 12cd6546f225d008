/** Which ledgers are decoded while they come, and how long their bytes are waited for: they hold room that others may want. */
import type { ComingBytes } from "./source.ts";

/** Ledgers of this size are given while they come; a smaller one has come as soon as its beginning. */
export const COMING_BYTES_MIN = 4 << 20;

/** A pause in a ledger for so long, or so much waiting in all: it is decoded once it is whole, a small part of its time. */
const PAUSE_MS_MAX = 1_000;
const WAIT_MS_MAX = 10_000;

/** What comes from a source. */
export interface Incoming {
  /** How many bytes have come, from the front on. */
  filled(): number;
  /** Resolves once so many have come; false where they have not in that time, or will not. */
  until(bytes: number, msMax: number): Promise<boolean>;
}

/** One read's ledger that comes. */
export class BrieflyAwaited implements ComingBytes {
  /** Whoever waited was told that no more comes. */
  isLost = false;
  private waitedMs = 0;

  /** @param pauseMsMax for tests */
  constructor(
    private readonly incoming: Incoming,
    private readonly pauseMsMax = PAUSE_MS_MAX,
  ) {}

  filled(): number {
    return this.incoming.filled();
  }

  async until(bytes: number): Promise<boolean> {
    for (let filled = -1; filled !== this.filled() && this.waitedMs < WAIT_MS_MAX; ) {
      filled = this.filled();
      const begunMs = performance.now();
      const isHere = await this.incoming.until(bytes, this.pauseMsMax);
      this.waitedMs += performance.now() - begunMs;
      if (isHere) return true;
    }
    this.isLost = true;
    return false;
  }
}
