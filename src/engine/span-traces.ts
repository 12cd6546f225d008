/** The traced spans of one stream that are not in order yet, and what they have waited for on this thread. */
import { unixNowMs } from "../base/unix-time.ts";
import type { LedgersTrace, Traces } from "../tracing/traces.ts";
import type { SpanDoneRecord } from "../workers/records.ts";

type Wait = "sourceWait" | "creditWait";

interface OpenTrace {
  trace: LedgersTrace;
  ledgerFirst: number;
  worker: number;
  begunUnixMs: number;
  waitsMs: Record<Wait, number>;
}

/** Asks for each span whether it is traced, and finishes those that are. */
export class SpanTraces {
  private readonly open = new Map<number, OpenTrace>();
  /** What is waited for by the span that takes ledgers now, or by the next one. */
  private waitsMs = { sourceWait: 0, creditWait: 0 };
  private begunUnixMs = unixNowMs();

  constructor(
    private readonly traces: Traces,
    private readonly stream: { kind: string; id: string },
  ) {}

  waited(wait: Wait, ms: number): void {
    this.waitsMs[wait] += ms;
  }

  /** A span begins to take ledgers. @returns true where it is traced */
  begin(span: number, ledgerFirst: number, worker: number): true | undefined {
    const { begunUnixMs, waitsMs } = this;
    const trace = this.traces.ledgers(this.stream, begunUnixMs);
    if (trace === undefined) return undefined;
    this.open.set(span, { trace, ledgerFirst, worker, begunUnixMs, waitsMs });
    return true;
  }

  /** The span takes no more: what is waited for from now on is waited for by the next one. */
  closed(): void {
    this.waitsMs = { sourceWait: 0, creditWait: 0 };
    this.begunUnixMs = unixNowMs();
  }

  /** A traced span is in order in the data plane. */
  finish({ span, trace, error, ...done }: SpanDoneRecord, orderedUnixMs: number): void {
    const known = this.open.get(span);
    if (known === undefined || trace === undefined) return;
    this.open.delete(span);
    const { ledgerFirst, worker, begunUnixMs, waitsMs } = known;
    const { ledgerLast, ledgers, rows, batches, xdrBytes } = done;
    known.trace.finish({
      ...{ ledgerFirst, ledgerLast, ledgers, rows, batches, xdrBytes, worker, begunUnixMs, orderedUnixMs, error },
      ...{ sourceWaitMs: waitsMs.sourceWait, creditWaitMs: waitsMs.creditWait },
      ...{ workerBegunUnixMs: trace.begunUnixMs, workerDoneUnixMs: trace.doneUnixMs, workerMs: trace.stagesMs },
    });
  }

  /** The stream is over. */
  drop(): void {
    for (const { trace } of this.open.values()) trace.drop();
    this.open.clear();
  }
}
