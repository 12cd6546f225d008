/**
 * Memory of large ledgers, given back soon. The collector goes by the growth of a thread's heap: a few buffers of tens of
 * MiB that nobody holds any more can lie for long, in every thread that they passed through. So who drops one says so, and
 * after enough of them a collection is asked for. Ordinary ledgers never come to that.
 */
const LARGE_BYTES_MIN = 8 << 20; // many times an ordinary ledger
const COLLECT_BYTES = 32 << 20; // what may lie dropped in one thread; a collection takes milliseconds

export class DroppedMemory {
  private bytes = 0;

  /** A buffer of that size has been dropped, or is about to be in this turn of the event loop. */
  add(bytes: number): void {
    if (bytes < LARGE_BYTES_MIN) return;
    this.bytes += bytes;
    if (this.bytes < COLLECT_BYTES) return;
    this.bytes = 0;
    setImmediate(() => Bun.gc(false));
  }

  /** The same for a thread without an event loop: nothing but the caller's own variables may still hold it. */
  addNow(bytes: number): void {
    if (bytes < LARGE_BYTES_MIN) return;
    this.bytes += bytes;
    if (this.bytes < COLLECT_BYTES) return;
    this.bytes = 0;
    Bun.gc(true);
  }
}
