/**
 * Continuous sessions that have failed of what trying again may mend, or whose source could not be opened when the
 * server started: each is resumed by itself, after a wait that doubles for as long as it does not get on.
 */

import { backoffMs } from "../base/backoff.ts";
import { isMendable } from "../engine/source-patience.ts";
import type { CodedError } from "../error.ts";
import type { ManagedSession } from "./managed-session.ts";

/** First and longest wait before a session is resumed. */
export const SELF_RESUME_MS_MIN = 1_000;
export const SELF_RESUME_MS_MAX = 60_000;

export class SelfResume {
  private readonly timers = new Map<ManagedSession, ReturnType<typeof setTimeout>>();
  private closed = false;

  /** @param resume resumes it; a rejection is followed by another try */
  constructor(private readonly resume: (session: ManagedSession) => Promise<void>) {}

  /** Whether the session is one to resume after that error. */
  static mends({ stored }: ManagedSession, error: Pick<CodedError, "code" | "reason"> | undefined): boolean {
    if (error === undefined || stored.request.ledgerEnd !== 0 || stored.stopAsked) return false;
    if (error.reason === "SOURCE_UNKNOWN") return false; // names come from the configuration, and so from a restart
    return error.reason === "WORKER_DIED" || isMendable(error);
  }

  plan(session: ManagedSession): void {
    if (this.closed) return;
    this.cancel(session);
    const ledger = session.counter("ledgerCurrent");
    const tries = session.selfResume.ledger === ledger ? session.selfResume.tries : 0;
    const ms = backoffMs(tries, SELF_RESUME_MS_MIN, SELF_RESUME_MS_MAX);
    session.selfResume = { ledger, tries: tries + 1, atUnixMs: Date.now() + ms };
    const timer = setTimeout(() => {
      this.timers.delete(session);
      void this.resume(session).catch(() => this.plan(session));
    }, ms);
    this.timers.set(session, timer);
  }

  /** Whether the session was waiting for it. */
  cancel(session: ManagedSession): boolean {
    clearTimeout(this.timers.get(session));
    session.selfResume.atUnixMs = 0;
    return this.timers.delete(session);
  }

  close(): void {
    this.closed = true;
    for (const session of [...this.timers.keys()]) this.cancel(session);
  }
}
