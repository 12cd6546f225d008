/** What other threads and the engine tell of finished work, to be made into spans. Times are unixNowMs. */
import type { TraceContext } from "./trace-context.ts";

/** One DoGet, or one read of rows over HTTP, from its call to its end. */
export interface GetFacts {
  over: "flight" | "http";
  caller?: TraceContext;
  peer: string;
  /** The session or range; absent where the call failed before it was known. */
  about?: { kind: "session" | "range"; id: string };
  begunUnixMs: number;
  /** When the first batch with rows had gone to the socket; absent where none did. */
  firstRowsUnixMs?: number;
  endedUnixMs: number;
  rows: number;
  batches: number;
  /** How long batches waited for the client. */
  blockedMs: number;
  outcome: "completed" | "cancelled" | "failed";
  /** Code and reason of what ended it. */
  error?: { code: string; reason: string };
}

/** One of Flight's other calls. */
export interface CallFacts {
  method: string;
  caller?: TraceContext;
  peer: string;
  begunUnixMs: number;
  endedUnixMs: number;
  /** Code and reason of what it ended with, where it failed. */
  error?: { code: string; reason: string };
}

/** A run of consecutive ledgers of one stream, from the wait for the first to the place in order of the last. */
export interface LedgersFacts {
  ledgerFirst: number;
  ledgerLast: number;
  ledgers: number;
  rows: number;
  batches: number;
  xdrBytes: number;
  worker: number;
  begunUnixMs: number;
  sourceWaitMs: number;
  creditWaitMs: number;
  /** When the worker took the first object, and when it was done. */
  workerBegunUnixMs: number;
  workerDoneUnixMs: number;
  /** Time by stage in the worker. */
  workerMs: Readonly<Record<"inflate" | "decode" | "encode" | "outputWait", number>>;
  orderedUnixMs: number;
  error?: { code: string; reason: string };
}
