/** Who does which chunk. What is done is not its business: that is what is there. */
import type { CodedError } from "../error.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import type { TryEnd } from "./try-log.ts";

/** A chunk in a worker's hands. */
export interface TakenChunk {
  chunk: LedgerRange;
  /** Number of the try, from 1. */
  number: number;
  /** Its manifest is there. */
  done(): Promise<void>;
  /** It is not, and others may have it. */
  giveUp(how: Exclude<TryEnd, "lost">, why: CodedError): Promise<void>;
}

/** Hands out the chunks of a job that are neither there nor set aside. */
export interface ChunkQueue {
  /**
   * Waits while others have all that is left: they may be lost.
   * @returns undefined once every chunk is there or set aside
   * @throws CodedError UNAVAILABLE where asking again may help; the signal's reason
   */
  take(signal: AbortSignal): Promise<TakenChunk | undefined>;
  /** The job has ended: nobody takes anything any more. */
  drop(): Promise<void>;
}
