/** What a restart makes of a session that an earlier process left on record. */
import { CodedError } from "../error.ts";
import { AwaySource } from "../sources/away.ts";
import type { LedgerSource } from "../sources/source.ts";
import { resumesItself } from "./self-resume.ts";
import type { Session } from "./session.ts";
import type { SessionHost } from "./session-host.ts";

/** Ends the session as its record says, goes on with it, or lets it wait. Called once, in state UNKNOWN. */
export async function restoreSession(session: Session, host: SessionHost): Promise<void> {
  const { stored } = session;
  let source: LedgerSource;
  try {
    source = await host.sources.get(stored.request.source);
  } catch (thrown) {
    restoreWithoutSource(session, host, CodedError.from(thrown));
    return;
  }
  if (session.endAsRecorded()) {
    session.openFinished(source, stored.error === undefined ? undefined : CodedError.fromRecord(stored.error));
    planAgain(session, host);
  } else if (!goesOn(session, host, source)) openWaiting(session, source);
}

function restoreWithoutSource(session: Session, host: SessionHost, error: CodedError): void {
  const { stored } = session;
  if (stored.outcome !== undefined) {
    session.endAsRecorded();
    planAgain(session, host);
  } else if (host.defaults.resumeSessions && resumesItself(stored, error)) {
    stored.message = `waits for its source: ${error.message}`;
    openWaiting(session, new AwaySource(stored.request.source ?? "", error));
    session.planResume();
  } else session.fail(error);
}

/** @returns whether the session works again; if not, its message says why */
function goesOn(session: Session, host: SessionHost, source: LedgerSource): boolean {
  const { stored } = session;
  stored.message = "waits for ResumeSession (RESUME_SESSIONS=false)";
  if (!host.defaults.resumeSessions) return false;
  try {
    host.admit();
    session.goOn(source);
    return true;
  } catch (thrown) {
    stored.message = `waits for ResumeSession: ${CodedError.from(thrown).message}`;
    host.log.warn("a session could not be resumed", session, { error: thrown });
    return false;
  }
}

/** For clients of a session that waits: they are told to come back. */
function openWaiting(session: Session, source: LedgerSource): void {
  const message = `session ${session.id} ${session.stored.message}`;
  session.openFinished(source, new CodedError("UNAVAILABLE", "SESSION_WAITING", message));
}

/** Plans the resume of a failed session that was due for automatic resume before the restart. */
function planAgain(session: Session, host: SessionHost): void {
  const { outcome, error } = session.stored;
  if (outcome === "failed" && host.defaults.resumeSessions && resumesItself(session.stored, error)) {
    session.planResume();
  }
}
