/** How a session ends on record. */
import type { CodedError } from "../error.ts";
import { checkpointChanges } from "./checkpointer.ts";
import type { SessionHost } from "./session-host.ts";
import type { SessionProgress } from "./session-progress.ts";
import { settingBehind } from "./setting-faults.ts";
import type { Outcome, StoredSession } from "./store.ts";

/** An outcome, with a sentence for people. */
export interface Ending {
  outcome: Outcome;
  message: string;
}

/** A session as far as its end goes. */
interface EndingSession {
  readonly id: string;
  readonly stored: StoredSession;
  readonly progress: SessionProgress;
}

/**
 * Writes the outcome and the last checkpoint to `stored` and to the disk, and to the log. A disk that fails does not stop
 * the end: the log says so.
 * @param error with which the session failed
 */
export function writeEnding(
  session: EndingSession,
  { store, log }: SessionHost,
  { outcome, message }: Ending,
  error: CodedError | undefined,
): void {
  const { stored, progress } = session;
  Object.assign(stored, { outcome, message, error: error?.toRecord(), endedUnixMs: Date.now() });
  // An error that another setting mends is not written down: a restart with that setting goes on with the session.
  const isOfSetting = outcome === "failed" && settingBehind(error?.reason) !== undefined;
  const record = isOfSetting
    ? { ...stored, outcome: undefined, message: "", error: undefined, endedUnixMs: 0 }
    : stored;
  try {
    store.commit([
      { put: "session", id: stored.id, record },
      ...checkpointChanges(session, { ...progress.checkpoint, savedUnixMs: Date.now() }),
    ]);
    progress.savedAssets();
  } catch (thrown) {
    // The session has ended all the same; a restart finds it unfinished, and ends it again.
    log.warn("the end of a session could not be written", session, { error: thrown });
  }
  log.ended(session, outcome, message, error);
}
