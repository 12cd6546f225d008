/**
 * Counts the inflated bytes of ledgers in flight over all streams. First come, first served, so that no stream with
 * large ledgers starves; whoever waits must hold nothing that only it can give back (the pump closes its span first).
 */
interface Waiter {
  bytes: number;
  grant(granted: boolean): void;
}

/**
 * A counting semaphore over bytes. Takers are served in order. A taker that wants more than `bytesMax` gets it once
 * nothing else is taken. Give back each amount that `tryTake` or `take` granted.
 */
export class InFlight {
  private used = 0;
  private readonly waiters: Waiter[] = [];

  constructor(readonly bytesMax: number) {}

  get usedBytes(): number {
    return this.used;
  }

  /** How many wait. */
  get waiting(): number {
    return this.waiters.length;
  }

  /** What they wait for, together. */
  get waitingBytes(): number {
    return this.waiters.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Takes them if there is room and nobody waits. More than there is in all is let in alone. */
  tryTake(bytes: number): boolean {
    if (this.waiters.length > 0 || !this.fits(bytes)) return false;
    this.used += bytes;
    return true;
  }

  /** Waits for room; false when aborted. */
  take(bytes: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.tryTake(bytes)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const leave = () => {
        this.waiters.splice(this.waiters.indexOf(waiter), 1);
        resolve(false);
        this.admit(); // one that is smaller may stand behind it
      };
      const waiter: Waiter = {
        bytes,
        grant: (granted) => {
          signal.removeEventListener("abort", leave);
          resolve(granted);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.waiters.push(waiter);
    });
  }

  give(bytes: number): void {
    this.used -= bytes;
    this.admit();
  }

  private fits(bytes: number): boolean {
    return this.used === 0 || this.used + bytes <= this.bytesMax;
  }

  private admit(): void {
    for (let first = this.waiters[0]; first !== undefined && this.fits(first.bytes); first = this.waiters[0]) {
      this.waiters.shift();
      this.used += first.bytes;
      first.grant(true);
    }
  }
}
