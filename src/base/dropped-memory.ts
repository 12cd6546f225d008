/**
 * Memory of ledgers that nobody holds any more, given back soon. The collector goes by the growth of a thread's heap: a
 * few buffers of tens of MiB that nobody holds any more can lie for long, in every thread that they passed through. So
 * who drops one says so, and after enough of them a collection is asked for. Ordinary ledgers never come to that; they
 * are collected when there is nothing else to do, as at the tip between two ledgers, and not while one is on its way.
 */
const LARGE_BYTES_MIN = 8 << 20; // many times an ordinary ledger
const COLLECT_BYTES = 32 << 20; // what may lie dropped in one thread; a collection takes milliseconds

/** After so long without work a thread has time for the collector: what it did last has left the server by then. */
export const QUIET_MS = 10;

/** Counts the bytes that one thread has dropped, and asks for collections. */
export class DroppedMemory {
  private bytes = 0;
  private sinceIdle = 0;

  /** @param idleBytes what must have been counted before an idle moment is worth a collection */
  constructor(private readonly idleBytes = 16 << 20) {}

  /** Work on so many bytes has left garbage of about that order. */
  count(bytes: number): void {
    this.sinceIdle += bytes;
  }

  /** Whether there is enough for a moment without work. */
  get isDue(): boolean {
    return this.sinceIdle >= this.idleBytes;
  }

  /** A buffer of that size has been dropped, or is about to be in this turn of the event loop. */
  add(bytes: number): void {
    this.count(bytes);
    if (this.tooMuchLies(bytes)) setImmediate(() => Bun.gc(true));
  }

  /** The thread has nothing else to do for the moment. */
  idle(): void {
    if (!this.isDue) return;
    this.sinceIdle = 0;
    Bun.gc(true);
  }

  /** As `add`, for a thread without an event loop: nothing but the caller's own variables may still hold it. */
  addNow(bytes: number): void {
    if (this.tooMuchLies(bytes)) Bun.gc(true);
  }

  /** Counts a large buffer; whether it is time to collect them. */
  private tooMuchLies(bytes: number): boolean {
    if (bytes < LARGE_BYTES_MIN) return false;
    this.bytes += bytes;
    if (this.bytes < COLLECT_BYTES) return false;
    this.bytes = 0;
    return true;
  }
}
