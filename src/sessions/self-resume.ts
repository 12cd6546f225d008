/**
 * The resume that a continuous session gets by itself, when it has failed for a reason that a retry may fix or when its
 * source could not be opened at the server's start. The wait before it doubles for as long as the session does not get on.
 */

import { backoffMs } from "../base/backoff.ts";
import type { CodedError } from "../error.ts";
import { isMendable } from "../sources/mendable.ts";
import type { StoredSession } from "./store.ts";

/** First and longest wait before a session is resumed. */
const SELF_RESUME_MS_MIN = 1_000; // as soon as a worker or a source may be back
const SELF_RESUME_MS_MAX = 60_000; // so that nobody waits long after a source is well again

/** Whether a session that has failed with that error is to be resumed by itself. */
export function resumesItself(stored: StoredSession, error: Pick<CodedError, "code" | "reason"> | undefined): boolean {
  if (error === undefined || stored.request.ledgerEnd !== 0 || stored.stopAsked) return false;
  if (error.reason === "SOURCE_UNKNOWN") return false; // names come from the configuration, and so from a restart
  return error.reason === "WORKER_DIED" || isMendable(error);
}

/** The plan of one session to resume itself. */
export class SelfResume {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  /** How often it was tried without getting past `ledger`. */
  private tries = 0;
  private ledger = -1;
  private dueUnixMs = 0;

  /** @param resume resumes the session; a rejection is followed by another try */
  constructor(private readonly resume: () => Promise<void>) {}

  /** When the session is resumed; 0 = it is not. */
  get atUnixMs(): number {
    return this.dueUnixMs;
  }

  /** @param ledger where the session stands: the wait is short again once it has moved */
  plan(ledger: number): void {
    if (this.closed) return;
    this.cancel();
    const tries = this.ledger === ledger ? this.tries : 0;
    const ms = backoffMs(tries, SELF_RESUME_MS_MIN, SELF_RESUME_MS_MAX);
    this.ledger = ledger;
    this.tries = tries + 1;
    this.dueUnixMs = Date.now() + ms;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.resume().catch(() => this.plan(this.ledger));
    }, ms);
  }

  /** @returns whether the session was waiting for it */
  cancel(): boolean {
    const waited = this.timer !== undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.dueUnixMs = 0;
    return waited;
  }

  /** Cancels, and plans nothing any more. */
  close(): void {
    this.closed = true;
    this.cancel();
  }
}
