/** Writes down where sessions stand, so that a restart goes on from there. Nobody waits for the disk. */
import type { ChangeWriter } from "./change-writer.ts";
import type { SessionLog } from "./session-log.ts";
import type { SessionProgress } from "./session-progress.ts";
import type { Change, StoredCheckpoint } from "./store.ts";

/** A session as far as its checkpoints go. */
interface Saved {
  readonly id: string;
  readonly progress: SessionProgress;
}

/** The writer of checkpoints, reservations and other notes whose loss costs only decoding again. */
export class Checkpointer {
  constructor(
    private readonly store: ChangeWriter,
    private readonly log: SessionLog,
  ) {}

  /**
   * Writes the checkpoints of all sessions that have moved, in one transaction.
   * @param nowMs monotonic
   */
  save(sessions: Iterable<Saved>, nowMs: number): void {
    const changes: Change[] = [];
    const saved: Saved[] = [];
    for (const session of sessions) {
      const record = session.progress.checkpointDue(nowMs, Date.now());
      if (record === undefined) continue;
      changes.push(...checkpointChanges(session, record));
      saved.push(session);
    }
    if (changes.length > 0 && this.note(changes)) for (const { progress } of saved) progress.savedAssets();
  }

  /** Writes changes without waiting for the disk. @returns whether they were written; the log says why not */
  note(changes: readonly Change[]): boolean {
    try {
      this.store.note(changes);
      return true;
    } catch (thrown) {
      const what = "a checkpoint could not be written; a restart would decode again from the last one";
      this.log.trouble(what, { error: thrown });
      return false;
    }
  }

  /**
   * Reserves ledgers for a session, on record before any worker sees them: after a crash, a new filter begins behind.
   * @returns the last ledger that may be given to workers; of a replicated session once that is stored
   */
  reserve({ id, progress }: Saved, ledger: number, isReplicated: boolean): number | Promise<number> {
    const reserved = progress.reserve(ledger, performance.now());
    const changes: Change[] = [{ put: "reservation", id, record: { ledger: reserved } }];
    if (isReplicated) {
      this.store.commit(changes);
      return (this.store.stored(id) ?? Promise.resolve()).then(() => reserved);
    }
    this.note(changes);
    return reserved;
  }
}

/** A checkpoint, and what the session has learned up to it that is not on record: changes for one transaction. */
export function checkpointChanges({ id, progress }: Saved, record: StoredCheckpoint): Change[] {
  const changes: Change[] = [{ put: "checkpoint", id, record }];
  const { unsavedAssets } = progress;
  if (unsavedAssets !== undefined) {
    const { part, learned } = unsavedAssets;
    changes.push({ put: "assets", id, part, record: { learned } });
  }
  return changes;
}
