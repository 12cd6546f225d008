/** Where sessions have their changes written down: to DATA_DIR, or to the cluster (replicas.ts). */
import type { Change } from "./store.ts";

/** The store as sessions see it. */
export interface ChangeWriter {
  /** On record, or on its way there (`stored`). @throws CodedError UNAVAILABLE / STATE_NOT_WRITTEN, with nothing changed */
  commit(changes: readonly Change[]): void;
  /** For what costs only decoding again when it is lost. @throws as commit */
  note(changes: readonly Change[]): void;
  /**
   * Settles once the session's changes are on record; undefined: they are already, which they always are in DATA_DIR.
   * Rejects with CodedError UNAVAILABLE where they may not be.
   */
  stored(id: string): Promise<void> | undefined;
}
