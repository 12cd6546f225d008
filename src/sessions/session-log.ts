/** What happens to sessions, for the log of the process. */
import type { LedgerSkip } from "../workers/records.ts";
import type { ManagedSession } from "./managed-session.ts";

/** Where lines go: the process's logger. */
export interface LogLines {
  info(message: string, fields: Record<string, unknown>): void;
  warn(message: string, fields: Record<string, unknown>): void;
  error(message: string, fields: Record<string, unknown>): void;
}

/** Of one session; what is more is counted in one line. */
export const SKIPS_LOGGED_A_MINUTE_MAX = 10;
const MINUTE_MS = 60_000;

const SILENT: LogLines = { info: () => {}, warn: () => {}, error: () => {} };

export class SessionLog {
  /** For each session that has skipped something lately. */
  private readonly skips = new Map<ManagedSession, { sinceMs: number; logged: number; unlogged: number }>();

  constructor(private readonly lines: LogLines = SILENT) {}

  info(message: string, session: ManagedSession, fields: Record<string, unknown> = {}): void {
    this.lines.info(message, { ...nameOf(session), ...fields });
  }

  warn(message: string, session: ManagedSession, fields: Record<string, unknown> = {}): void {
    this.lines.warn(message, { ...nameOf(session), ...fields });
  }

  error(message: string, session: ManagedSession, fields: Record<string, unknown> = {}): void {
    this.lines.error(message, { ...nameOf(session), ...fields });
  }

  /** Something that is no one session's. */
  trouble(message: string, fields: Record<string, unknown>): void {
    this.lines.warn(message, fields);
  }

  /** @param count of ledgers left out; `skips` tells some of them */
  skipped(session: ManagedSession, skips: readonly LedgerSkip[], count: number, nowMs: number): void {
    this.closeMinutes(nowMs);
    const minute = this.skips.get(session) ?? { sinceMs: nowMs, logged: 0, unlogged: 0 };
    this.skips.set(session, minute);
    const lines = skips.slice(0, SKIPS_LOGGED_A_MINUTE_MAX - minute.logged);
    for (const { ledger, error } of lines) {
      this.warn("a ledger was skipped", session, {
        ledger,
        code: error.code,
        reason: error.reason,
        why: error.message,
      });
    }
    minute.logged += lines.length;
    minute.unlogged += count - lines.length;
  }

  /** Says how many skips a minute that is over had beside those that were logged. Call it every second or so. */
  closeMinutes(nowMs: number): void {
    for (const [session, { sinceMs, unlogged }] of this.skips) {
      if (nowMs - sinceMs < MINUTE_MS) continue;
      this.skips.delete(session);
      if (unlogged > 0) this.warn("more ledgers were skipped", session, { ledgers: unlogged, withinMs: MINUTE_MS });
    }
  }
}

function nameOf({ id, stored }: ManagedSession): Record<string, unknown> {
  const { labels } = stored.request;
  return { session: id, labels: labels === undefined || Object.keys(labels).length === 0 ? undefined : labels };
}
