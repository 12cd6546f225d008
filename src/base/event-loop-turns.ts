/** Turns of the event loop for long work: a loop that always has the next item would keep every call waiting. */
export class EventLoopTurns {
  /** When the event loop last had its turn, monotonic. */
  private turnMs = 0;

  /** @param workMs the longest work without a turn */
  constructor(private readonly workMs: number) {}

  /** Gives the event loop a turn, where the last one is `workMs` ago. */
  async take(): Promise<void> {
    if (performance.now() - this.turnMs < this.workMs) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.turnMs = performance.now();
  }
}
