/** One open DoGet: what it has had so far, in full, for the `streams` action. */
import type { Position } from "../vocabulary/position.ts";

/** A client of a stream, as the data plane counts it. */
export interface StreamClient {
  /** Unique in this process. */
  readonly number: number;
  /** Address as the transport gives it. */
  readonly peer: string;
  readonly joinedUnixMs: number;
  /** catchingUp: reads the source again; following: reads retained and new batches. */
  readonly mode: "catchingUp" | "following";
  batches: number;
  rows: number;
  /** Header, body and metadata of all messages. */
  bytes: number;
  /** Time spent waiting for this client to read. */
  blockedMs: number;
  /** Since when it has taken nothing of what waits for it, monotonic milliseconds; undefined while nothing waits. */
  readonly blockedSinceMs: number | undefined;
  /** Where it would go on. */
  readonly position: Position;
  /** What is ready for it and not taken. */
  readonly lag: { ledgers: number; batches: number; bytes: number };
}
