/**
 * Where a DoGet gets its batches from, one after the other. `SessionFeed` follows a session, and reads again from its
 * source what is no longer retained; `RangeFeed` reads a stream that nobody else reads.
 */
import type { CodedError } from "../error.ts";
import type { Position } from "../vocabulary/position.ts";
import type { Slot } from "./slot.ts";
import type { StreamPart } from "./stream-part.ts";

/** What one DoGet reads: batches in ledger order, from a session or from a range. */
export interface Feed {
  /** The stream that the client asked for, or the partition of it. */
  readonly stream: StreamPart;
  /** The next batch, held for the caller (`slot.release()` when done); undefined at the end. @throws CodedError */
  next(): Promise<Slot | undefined>;
  /** Where the client goes on when it has had everything that `next` gave. */
  readonly position: Position;
  readonly mode: "catchingUp" | "following";
  /** Retained for this client and not taken. */
  readonly lag: { batches: number; bytes: number };
  /** Aborts when the feed is ended for being slow: a write under way need not wait any longer. */
  readonly endedSignal: AbortSignal;
  /** With what it was ended, if it was. */
  readonly endedError: CodedError | undefined;
  /**
   * The name's pace makes the client wait, or does so no longer: it does not count as slow meanwhile. Absent where nobody
   * else can be held back.
   */
  paced?(isWaiting: boolean): void;
  /** Ends this feed alone: `next` throws the error. */
  end(error: CodedError): void;
  /** Gives everything back. Idempotent; `next` then answers undefined. */
  close(): void;
}
