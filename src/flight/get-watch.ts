/** What one DoGet has been, for a trace: begun with the call, told when it has ended, however that was. */
import { unixNowMs } from "../base/unix-time.ts";
import { CodedError } from "../error.ts";
import type { GetFacts } from "../tracing/span-facts.ts";
import type { OutgoingStream } from "./producer.ts";

/** Watches one DoGet; told of everything, it tells once. */
export class GetWatch {
  private readonly facts: Omit<GetFacts, "endedUnixMs" | "outcome">;
  private isOver = false;

  constructor(
    about: Pick<GetFacts, "over" | "caller" | "peer">,
    private readonly tell: (facts: GetFacts) => void,
  ) {
    this.facts = { ...about, begunUnixMs: unixNowMs(), rows: 0, batches: 0, blockedMs: 0 };
  }

  /** The stream, with its hooks passed on. */
  of(stream: OutgoingStream): OutgoingStream {
    const { facts } = this;
    facts.about = stream.about;
    return {
      opening: stream.opening,
      endedSignal: stream.endedSignal,
      next: () => stream.next(),
      writing: () => stream.writing?.(),
      opened: () => stream.opened?.(),
      cursor: () => stream.cursor?.(),
      wrote: (batch, waitedMs) => {
        stream.wrote?.(batch, waitedMs);
        if (batch.rows > 0) facts.firstRowsUnixMs ??= unixNowMs();
        facts.rows += batch.rows;
        facts.batches += 1;
        facts.blockedMs += waitedMs;
      },
      close: (outcome) => {
        stream.close(outcome);
        this.ended(outcome);
      },
    };
  }

  /** Why it fails; before it is closed. */
  failed(thrown: unknown): void {
    const { code, reason } = CodedError.from(thrown);
    this.facts.error = { code, reason };
  }

  /** It has ended before there was a stream. */
  refused(thrown: unknown): void {
    this.failed(thrown);
    this.ended("failed");
  }

  /** It has ended, or its stream has; once. */
  ended(outcome: GetFacts["outcome"]): void {
    if (this.isOver) return;
    this.isOver = true;
    this.tell({ ...this.facts, endedUnixMs: unixNowMs(), outcome });
  }
}
