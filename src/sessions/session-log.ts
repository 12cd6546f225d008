/** What happens to sessions, for the log of the process. */
import type { CodedError } from "../error.ts";
import type { LedgerSkip } from "../workers/records.ts";
import { selectsSome } from "./filters.ts";
import type { SessionProgress } from "./session-progress.ts";
import type { FilterHistoryStep } from "./session-service.ts";
import type { Outcome, StoredSession } from "./store.ts";

/** Where lines go: the process's logger. */
export interface LogLines {
  info(message: string, fields: Record<string, unknown>): void;
  warn(message: string, fields: Record<string, unknown>): void;
  error(message: string, fields: Record<string, unknown>): void;
}

/** Who traces sessions. */
export interface SessionTraces {
  sessionBegan(id: string, attributes: Readonly<Record<string, string | number>>): void;
  sessionEnded(id: string, attributes: Readonly<Record<string, string | number>>, error: CodedError | undefined): void;
}

/** A session as far as the log names it. */
interface LoggedSession {
  readonly id: string;
  readonly stored: StoredSession;
}

/** A session whose end is logged. */
interface EndedSession extends LoggedSession {
  readonly progress: SessionProgress;
}

/** A session whose steps are logged. */
interface SteppingSession extends EndedSession {
  readonly steps: readonly FilterHistoryStep[];
  readonly sourceShown: string;
}

/** Lines for the skips of one session; further skips are counted in one line. */
const SKIPS_LOGGED_A_MINUTE_MAX = 10;
const MINUTE_MS = 60_000;

const SILENT: LogLines = { info: () => {}, warn: () => {}, error: () => {} };

/** The log of all sessions; each line has the session's id and labels. */
export class SessionLog {
  /** For each session that has skipped something lately. */
  private readonly skips = new Map<LoggedSession, { sinceMs: number; logged: number; unlogged: number }>();

  /** @param lines absent = nothing is logged; @param traces absent = nothing is traced */
  constructor(
    private readonly lines: LogLines = SILENT,
    private readonly traces?: SessionTraces,
  ) {}

  /** The start, resume or restoration of a session, with what is read and from where. */
  step(message: string, session: SteppingSession, fields: Record<string, unknown> = {}): void {
    const { stored, progress, steps, sourceShown } = session;
    const { ledgerStart, ledgerEnd } = stored.request;
    const { ledger } = progress.checkpoint.position;
    this.traces?.sessionBegan(session.id, {
      ...{ "contract_data.ledger_start": ledgerStart, "contract_data.ledger_end": ledgerEnd },
      ...{ "contract_data.ledger_next": ledger, "contract_data.source": sourceShown, "contract_data.step": message },
    });
    this.info(message, session, {
      ledgerStart,
      ledgerEnd: ledgerEnd === 0 ? "continuous" : ledgerEnd,
      ledgerNext: ledger === ledgerStart ? undefined : ledger,
      filtered: selectsSome(steps.at(-1)!.filter),
      source: sourceShown || undefined,
      ...fields,
    });
  }

  /** Another step of a session's life. */
  info(message: string, session: LoggedSession, fields: Record<string, unknown> = {}): void {
    this.lines.info(message, { ...nameOf(session), ...fields });
  }

  /** Trouble that the session gets over. */
  warn(message: string, session: LoggedSession, fields: Record<string, unknown> = {}): void {
    this.lines.warn(message, { ...nameOf(session), ...fields });
  }

  private error(message: string, session: LoggedSession, fields: Record<string, unknown> = {}): void {
    this.lines.error(message, { ...nameOf(session), ...fields });
  }

  /** Trouble that belongs to no single session. */
  trouble(message: string, fields: Record<string, unknown>): void {
    this.lines.warn(message, fields);
  }

  /** The end of a session. @param error with which it failed */
  ended(session: EndedSession, outcome: Outcome, message: string, error: CodedError | undefined): void {
    const { progress } = session;
    const ledger = progress.counter("ledgerCurrent");
    const skipped = progress.counter("ledgersSkipped") || undefined;
    const fields = { ledger, rows: progress.counter("rows"), ledgersSkipped: skipped };
    if (outcome === "failed") {
      const { code, reason } = error ?? {};
      this.error("session failed", session, { ...fields, code, reason, why: message });
    } else this.info(outcome === "completed" ? "session completed" : "session stopped", session, fields);
    const attributes = { "contract_data.ledger": ledger, "contract_data.rows": fields.rows };
    const failure = outcome === "failed" ? error : undefined;
    this.traces?.sessionEnded(session.id, { ...attributes, "contract_data.outcome": outcome }, failure); // last: lines bear its ids
  }

  /** Ledgers were skipped (ON_ERROR=skip). @param skips some of them; @param count all of them; @param nowMs monotonic */
  skipped(session: LoggedSession, skips: readonly LedgerSkip[], count: number, nowMs: number): void {
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

function nameOf({ id, stored }: LoggedSession): Record<string, unknown> {
  const { labels } = stored.request;
  return { session: id, labels: labels === undefined || Object.keys(labels).length === 0 ? undefined : labels };
}
