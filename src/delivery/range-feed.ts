/** A private stream and its one reader; closing it ends the stream. */
import type { CodedError } from "../error.ts";
import type { RangeRequest } from "../threads/data-plane-messages.ts";
import type { Position } from "../vocabulary/position.ts";
import type { Feed } from "./feed.ts";
import type { Hub } from "./hub.ts";
import type { MainThread } from "./main-thread-client.ts";
import type { Slot } from "./slot.ts";
import type { StreamReader } from "./stream-log.ts";
import type { StreamPart } from "./stream-part.ts";

/** The batches of a range ticket: a private stream that is opened for one client and ends with it. */
export class RangeFeed implements Feed {
  readonly mode = "following";
  private readonly reader: StreamReader;
  private closed = false;

  private constructor(
    readonly stream: StreamPart,
    private readonly main: MainThread,
    private readonly nowMs: () => number,
    private readonly leaving: (freed: Promise<void>) => void = () => {},
  ) {
    this.reader = stream.log.join(nowMs());
  }

  /**
   * What a range ticket asks for. `leaving` is called when the feed is closed, with the promise that its place is free.
   * @throws CodedError FAILED_PRECONDITION, RESOURCE_EXHAUSTED
   */
  static async open(
    hub: Hub,
    main: MainThread,
    asked: RangeRequest,
    nowMs: () => number,
    leaving: (freed: Promise<void>) => void = () => {},
  ): Promise<RangeFeed> {
    const { stream } = await main.ask("openRange", asked);
    return new RangeFeed(hub.opened(stream).parts[0]!, main, nowMs, leaving);
  }

  /** What a session's client has missed. @throws CodedError FAILED_PRECONDITION, RESOURCE_EXHAUSTED, NOT_FOUND */
  static async openCatchUp(
    hub: Hub,
    main: MainThread,
    session: StreamPart,
    start: Position,
    end: Position,
    nowMs: () => number,
  ): Promise<RangeFeed> {
    const { stream: number, dataset, partition } = session.opening;
    hub.catchUpsWaiting += 1;
    try {
      const { stream } = await main.ask("openCatchUp", { session: number, dataset, partition, start, end });
      return new RangeFeed(hub.opened(stream).parts[0]!, main, nowMs);
    } finally {
      hub.catchUpsWaiting -= 1;
    }
  }

  next(): Promise<Slot | undefined> {
    return this.reader.next(this.nowMs);
  }

  get position(): Position {
    return this.reader.resumeAt;
  }

  get lag(): { batches: number; bytes: number } {
    return this.reader.lag;
  }

  get endedSignal(): AbortSignal {
    return this.reader.endedSignal;
  }

  get endedError(): CodedError | undefined {
    return this.reader.endedError;
  }

  end(error: CodedError): void {
    this.reader.end(error);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.reader.leave();
    const { stream } = this.stream.opening;
    const done = () => {};
    this.leaving(this.main.ask("closeRange", { stream }).then(done, done));
  }
}
