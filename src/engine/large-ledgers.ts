/**
 * When a large ledger may be begun: all of its batches come at once, however small its stream's share is, so what all
 * streams hold for their readers together is looked at. A ledger that readers wait for may be begun where its batches have
 * room beside what is held and what is on its way; one for a stream that nobody reads, or whose readers have batches to
 * take, in half of the room. The other half is for streams that are read, whatever others hold: so those always go on. A
 * ledger that is too large for that comes alone.
 *
 *     0 ─────────────────────── half ───────────────────── bytesMax
 *      held by all + on its way   │ none that nobody awaits   │ none at all
 *
 * First come, first served, but those that are awaited before the others.
 */
import { pause } from "../base/pause.ts";
import type { InFlight } from "./in-flight.ts";

const LARGE_PART = 8; // of what streams may retain: fewer at once, and each stream's share holds them back by itself
const OUTPUT_FACTOR = 1.5; // batches of a ledger, by its inflated bytes: measured 1.4 with values of 64 KiB
const FETCH_MS_MAX = 1000; // room is kept for so long for a ledger that is being fetched; a source at its tip has none
const LOOK_MS = 10; // between looks of those who wait

/** What streams hold for readers that they have, and for those that they wait for, in bytes. */
interface HeldBytes {
  read: number;
  unread: number;
}

/** A stream whose large ledger wants to be begun. */
export interface Asker {
  /** It has readers, and they have taken all that there is. */
  readonly isAwaited: boolean;
}

/** Room for large ledgers of all streams. It only looks: once begun, a ledger is counted as in flight, then as held. */
export class LargeLedgers {
  private readonly waiting = new Set<Asker>();
  /** Ledgers that may be begun and are still being fetched. */
  private readonly fetched = new Map<Asker, { bytes: number; untilMs: number }>();

  /** @param bytesMax what streams may retain together */
  constructor(
    private readonly bytesMax: number,
    private readonly inFlight: InFlight,
    private readonly held: () => HeldBytes,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** Takes room in flight if there is some now; for a large ledger, if it may be begun, and nobody is before it. */
  tryTake(asker: Asker, bytes: number): boolean {
    if (!this.mayBegin(asker, bytes) || !this.inFlight.tryTake(bytes)) return false;
    this.done(asker);
    return true;
  }

  /** Waits for room; false when aborted. Give back to `inFlight` what was granted. */
  async take(asker: Asker, bytes: number, signal: AbortSignal): Promise<boolean> {
    if (!(await this.keep(asker, bytes, signal))) return false;
    this.done(asker); // from here on it counts among those that wait for room in flight
    return this.inFlight.take(bytes, signal);
  }

  /** Waits until a ledger of that size may be begun, and keeps its room for FETCH_MS_MAX; false when aborted. */
  async keep(asker: Asker, bytes: number, signal: AbortSignal): Promise<boolean> {
    this.waiting.add(asker);
    try {
      while (!signal.aborted && !this.mayBegin(asker, bytes)) await pause(LOOK_MS, signal);
    } finally {
      this.waiting.delete(asker);
    }
    if (this.isLarge(bytes) && !signal.aborted) {
      this.fetched.set(asker, { bytes, untilMs: this.nowMs() + FETCH_MS_MAX });
    }
    return !signal.aborted;
  }

  /** Its room is kept no longer: it is in flight, or will not come. */
  done(asker: Asker): void {
    this.fetched.delete(asker);
  }

  private isLarge(bytes: number): boolean {
    return bytes * LARGE_PART > this.bytesMax;
  }

  private mayBegin(asker: Asker, bytes: number): boolean {
    return !this.isLarge(bytes) || (this.isFirst(asker) && this.fits(asker, bytes));
  }

  /** Whether nobody who waits goes before it. */
  private isFirst(asker: Asker): boolean {
    let isAhead = false;
    for (const other of this.waiting) {
      if (other === asker) isAhead = true;
      else if (other.isAwaited !== asker.isAwaited ? other.isAwaited : !isAhead) return false;
    }
    return true;
  }

  private fits(asker: Asker, bytes: number): boolean {
    const { read, unread } = this.held();
    let coming = this.inFlight.usedBytes + this.inFlight.waitingBytes;
    for (const [other, { bytes: fetched, untilMs }] of this.fetched) {
      if (other !== asker && untilMs > this.nowMs()) coming += fetched;
    }
    const half = this.bytesMax / 2;
    const more = (coming + bytes) * OUTPUT_FACTOR;
    if (!asker.isAwaited) return read + unread + coming === 0 || read + unread + more <= half;
    return read + coming === 0 || read + more <= half || read + unread + more <= this.bytesMax;
  }
}
