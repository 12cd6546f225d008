/** Streams of a DoGet that have no feed of their own. */
import type { CodedError } from "../error.ts";
import type { FlightDataMessage } from "./flight-data.ts";
import type { OutgoingBatch, OutgoingStream } from "./producer.ts";

/** The schema goes out at once, the rest when there is something to stream. */
export class WaitingStream implements OutgoingStream {
  private inner: OutgoingStream | undefined;
  private over = false;
  private ended: CodedError | undefined;

  constructor(
    readonly opening: readonly FlightDataMessage[],
    private readonly start: () => Promise<OutgoingStream>,
  ) {}

  async next(): Promise<OutgoingBatch | undefined> {
    if (this.inner === undefined) {
      const inner = await this.start();
      if (this.over) inner.close("cancelled");
      this.inner = inner;
      if (this.ended !== undefined) inner.end?.(this.ended);
    }
    return this.inner.next();
  }

  get endedSignal(): AbortSignal | undefined {
    return this.inner?.endedSignal;
  }

  writing(): void {
    this.inner?.writing?.();
  }

  wrote(batch: OutgoingBatch, waitedMs: number): void {
    this.inner?.wrote?.(batch, waitedMs);
  }

  paced(isWaiting: boolean): void {
    this.inner?.paced?.(isWaiting);
  }

  end(error: CodedError): void {
    this.ended = error;
    this.inner?.end?.(error);
  }

  cursor(): string | undefined {
    return this.inner?.cursor?.();
  }

  close(outcome: Parameters<OutgoingStream["close"]>[0]): void {
    this.over = true;
    this.inner?.close(outcome);
  }
}

/** A range that has been read to its end. */
export class EmptyStream implements OutgoingStream {
  constructor(readonly opening: readonly FlightDataMessage[]) {}

  next(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): void {}
}
