/**
 * Which worker has which span of one stream. Work is shared out among all; where there is none but one span, as at the tip,
 * the worker of the span before has it: that has the stream's code compiled and its memory in the caches, and the others take
 * no memory at all.
 */
export class SpanWorkers {
  /** By span: those that may not be in order yet, and the last one. */
  private readonly workers = new Map<number, number>();

  constructor(
    private readonly stream: number,
    private readonly size: number,
  ) {}

  /** The worker for a new span. @param spansSequenced how many are in order */
  choose(span: number, spansSequenced: number): number {
    const before = this.workers.get(span - 1) ?? this.stream + span - 1;
    for (const known of this.workers.keys()) if (known < spansSequenced) this.workers.delete(known);
    const isAlone = span === spansSequenced && span > 0;
    const worker = (isAlone ? before : before + 1) % this.size;
    this.workers.set(span, worker);
    return worker;
  }

  /** Whether a span that is not in order was given to that worker. */
  isNeeded(worker: number, spansSequenced: number): boolean {
    return [...this.workers].some(([span, by]) => span >= spansSequenced && by === worker);
  }
}
