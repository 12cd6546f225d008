/** Time that passes as fast as events can be run: the same seed gives the same events in the same order. */
interface Event {
  atMs: number;
  number: number;
  run: () => void;
}

export class VirtualTime {
  nowMs = 0;
  private count = 0;
  private readonly events: Event[] = []; // a heap, the earliest first

  /** @returns cancels it */
  at(atMs: number, run: () => void): () => void {
    const event: Event = { atMs: Math.max(atMs, this.nowMs), number: ++this.count, run };
    this.push(event);
    return () => {
      event.run = () => {};
    };
  }

  after(ms: number, run: () => void): () => void {
    return this.at(this.nowMs + ms, run);
  }

  /** Runs all events up to that time, each after the promises that the one before has settled. */
  async runTo(untilMs: number): Promise<void> {
    for (;;) {
      const next = this.events[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.pop();
      this.nowMs = next.atMs;
      next.run();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.nowMs = untilMs;
  }

  private push(event: Event): void {
    const { events } = this;
    events.push(event);
    let at = events.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(events[at]!, events[parent]!)) break;
      [events[at], events[parent]] = [events[parent]!, events[at]!];
      at = parent;
    }
  }

  private pop(): void {
    const { events } = this;
    const last = events.pop()!;
    if (events.length === 0) return;
    events[0] = last;
    let at = 0;
    for (;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < events.length && isBefore(events[child]!, events[least]!)) least = child;
      }
      if (least === at) return;
      [events[at], events[least]] = [events[least]!, events[at]!];
      at = least;
    }
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}
