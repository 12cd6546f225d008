/** DoGet calls of callers who have proved a name: sent at the name's pace, and ended when the name may read them no more. */
import { pause } from "../base/pause.ts";
import { CodedError } from "../error.ts";
import type { Identity } from "../security/grant.ts";
import { NamePaces } from "../security/name-pace.ts";
import { type FlightDataMessage, flightDataBytes } from "./flight-data.ts";
import type { GetOutcome, OutgoingBatch, OutgoingStream } from "./producer.ts";

/** All that are open. */
export class NamedStreams {
  private readonly paces = new NamePaces();
  private readonly open = new Set<NamedStream>();
  private again = (identity: Identity): Identity => identity;

  /** @param identity undefined: nobody is asked, and the stream is as it was */
  of(stream: OutgoingStream, identity: Identity | undefined): OutgoingStream {
    if (identity === undefined) return stream;
    const named: NamedStream = new NamedStream(stream, identity, this.paces, () => this.open.delete(named));
    this.open.add(named);
    this.judgeOne(named); // files may have changed since it was let in
    return named;
  }

  /** Ends those of callers who would not be let in again. @param again as Gate has it */
  judge(again: (identity: Identity) => Identity): void {
    this.again = again;
    for (const stream of this.open) this.judgeOne(stream);
  }

  private judgeOne(stream: NamedStream): void {
    try {
      stream.identity = this.again(stream.identity);
    } catch (thrown) {
      stream.end(CodedError.from(thrown));
    }
  }
}

class NamedStream implements OutgoingStream {
  readonly opening: readonly FlightDataMessage[];
  private waitMs = 0;
  private readonly over = new AbortController();

  constructor(
    private readonly inner: OutgoingStream,
    public identity: Identity,
    private readonly paces: NamePaces,
    private readonly closing: () => void,
  ) {
    this.opening = inner.opening;
  }

  async next(): Promise<OutgoingBatch | undefined> {
    if (this.waitMs > 0) await this.wait();
    return this.inner.next();
  }

  /** The batch that comes next is not taken before, so that it is in nobody's memory for this client's sake. */
  private async wait(): Promise<void> {
    this.inner.paced?.(true);
    const { endedSignal } = this.inner;
    await pause(this.waitMs, this.over.signal, ...(endedSignal === undefined ? [] : [endedSignal]));
    this.waitMs = 0;
    this.inner.paced?.(false);
  }

  get endedSignal(): AbortSignal | undefined {
    return this.inner.endedSignal;
  }

  writing(): void {
    this.inner.writing?.();
  }

  opened(): void {
    this.inner.opened?.();
    const bytes = this.opening.reduce((sum, message) => sum + flightDataBytes(message), 0);
    this.waitMs = this.paces.sent(this.identity, bytes);
  }

  wrote(batch: OutgoingBatch, waitedMs: number): void {
    this.inner.wrote?.(batch, waitedMs);
    this.waitMs = this.paces.sent(this.identity, flightDataBytes(batch.message));
  }

  cursor(): string | undefined {
    return this.inner.cursor?.();
  }

  trailers(): Readonly<Record<string, string>> {
    return this.inner.trailers?.() ?? {};
  }

  end(error: CodedError): void {
    this.inner.end?.(error);
    this.over.abort();
  }

  close(outcome: GetOutcome): void {
    this.over.abort();
    this.closing();
    this.inner.close(outcome);
  }
}
