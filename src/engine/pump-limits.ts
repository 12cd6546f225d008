/** What bounds one stream's pump: its range of ledgers, and the room that it has. */
import type { InFlight } from "./in-flight.ts";
import type { Asker, LargeLedgers } from "./large-ledgers.ts";
import type { MemoryGuard } from "./memory-guard.ts";
import type { SourcePatience } from "./source-patience.ts";
import type { SpanTraces } from "./span-traces.ts";

/** Which ledgers a pump reads, and how it takes its source's failures. */
export interface PumpRange {
  ledgerStart: number;
  /** Inclusive; 0 = for ever. */
  ledgerEnd: number;
  /** Asked before a ledger above its last answer is given to a worker; answers with the last ledger that may be. */
  reserve?: (ledger: number) => number | Promise<number>;
  /** Absent: what the source throws ends the stream. */
  patience?: SourcePatience;
}

/** The room that a pump has for what it reads. */
export interface PumpLimits {
  flushIntervalMs: number;
  /** What all streams together hold between their workers and their logs. */
  inFlight: InFlight;
  /** When a large ledger may be begun. */
  large: LargeLedgers;
  /** The stream, as that knows it. */
  asker: Asker;
  /** Watches the memory of all streams. */
  guard?: MemoryGuard;
  /** How many finished batches the stream may hold; their memory is in its cell. */
  slotsMax: number;
  /** Absent: there are no traces. */
  traces?: SpanTraces;
}
