/**
 * A bell wakes a thread that has run out of work. It is one 32-bit counter in shared memory: whoever has news adds
 * one and notifies; whoever waits reads the counter first, looks for work, and only then sleeps on the value that it
 * read. News that arrives between the look and the sleep has changed the counter, so the sleep returns at once:
 * no wake-up can be lost.
 */
export class Bell {
  constructor(
    readonly cells: Int32Array,
    private readonly index: number,
  ) {}

  static create(): Bell {
    return new Bell(new Int32Array(new SharedArrayBuffer(4)), 0);
  }

  /** The value to hand to `wait`; read it before looking for work. */
  read(): number {
    return Atomics.load(this.cells, this.index);
  }

  ring(): void {
    Atomics.add(this.cells, this.index, 1);
    Atomics.notify(this.cells, this.index);
  }

  /** Blocks the thread until the bell rings after `seen` was read, or `timeoutMs` passes. Workers only. */
  wait(seen: number, timeoutMs: number): void {
    Atomics.wait(this.cells, this.index, seen, timeoutMs);
  }

  /** As `wait`, for a thread with an event loop. It does not keep the process alive. */
  async waitAsync(seen: number, timeoutMs: number): Promise<void> {
    await waitAsync(this.cells, this.index, seen, timeoutMs);
  }
}

/** Atomics.waitAsync as a plain promise; it always has a timeout because it cannot be cancelled. */
export async function waitAsync(cells: Int32Array, index: number, seen: number, timeoutMs: number): Promise<void> {
  const result = Atomics.waitAsync(cells, index, seen, timeoutMs);
  if (result.async) await result.value;
}
