/** What OwnedRecords tells whoever keeps records in it, and what it needs of the clock. */
import type { RecordOwner } from "./record-envelope.ts";

/** Why a node does not own a record any more. */
export type LossReason = "late" | "replaced" | "removed";

/** What happens to records. Handlers must not throw. */
export interface RecordEvents {
  /** A record of another node, or of none, is there or has changed. */
  seen(id: string, record: Uint8Array, owner: RecordOwner | undefined): void;
  /** A record that is not owned here is gone. */
  gone(id: string): void;
  /** Nobody owns the record: `claim` may get it. Told again at every look. */
  free(id: string): void;
  /** This node's lease of the record now lasts until that time, by `Timers`. */
  held(id: string, untilMs: number): void;
  /** This node owns the record no more: whatever it did in its name must end in this call. */
  lost(id: string, why: LossReason): void;
}

/** Monotonic milliseconds, and calls to come. */
export interface Timers {
  nowMs(): number;
  /** @returns cancels it */
  later(ms: number, call: () => void): () => void;
}
