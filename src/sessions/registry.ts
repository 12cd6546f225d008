/** The sessions of the server by their ids: which there are, and which of them stay on record. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { checkSameRequest } from "./request.ts";
import type { Session } from "./session.ts";
import { addCounters, noCounters, type ProcessCounters } from "./session-progress.ts";
import type { SessionRequest } from "./session-service.ts";
import { isActive, isEnded } from "./states.ts";

const FINISHED_KEPT_MAX = 256; // sessions that have ended and stay on record; older ones make room
const FINISHED_BATCHES_KEPT_MAX = 4; // ended sessions whose last batches stay in memory for late clients

/** Totals over all sessions since the process began. */
interface SessionTotals extends ProcessCounters {
  /** Newest ledger of any session that is still known. */
  ledgerCurrent: number;
  active: number;
}

/** All sessions that have not been deleted, in the order in which they were started. */
export class SessionRegistry {
  private readonly sessions = new Map<string, Session>();
  private readonly idempotencyKeys = new Map<string, string>();
  /** Counters of sessions that are gone, so that totals never fall. */
  private readonly gone = noCounters();
  private lastNumber = 0;

  /** The oldest first. */
  all(): Iterable<Session> {
    return this.sessions.values();
  }

  /** Sessions that work, and count against SESSIONS_MAX. */
  active(): Session[] {
    return [...this.sessions.values()].filter(({ state }) => isActive(state));
  }

  /** The number of the next session: numbers rise with every session, over restarts too. */
  get nextNumber(): number {
    return this.lastNumber + 1;
  }

  /** Whether there is a session with that id. */
  has(id: string): boolean {
    return this.sessions.has(id);
  }

  /** @throws CodedError NOT_FOUND / SESSION_UNKNOWN */
  find(id: string): Session {
    const session = this.sessions.get(id);
    if (session === undefined) {
      throw new CodedError("NOT_FOUND", "SESSION_UNKNOWN", `no session has the id ${quoted(id)}`);
    }
    return session;
  }

  /**
   * The session that an earlier request with the same idempotency key has started, if any.
   * @throws CodedError FAILED_PRECONDITION / IDEMPOTENCY_KEY_REUSED when that request was another one
   */
  earlier(request: SessionRequest): Session | undefined {
    const id = request.idempotencyKey === undefined ? undefined : this.idempotencyKeys.get(request.idempotencyKey);
    if (id === undefined) return undefined;
    const session = this.find(id);
    checkSameRequest(request, session.stored);
    return session;
  }

  /** Adds a session whose record is in the store. */
  add(session: Session): void {
    this.sessions.set(session.id, session);
    this.lastNumber = Math.max(this.lastNumber, session.stored.number);
    const { idempotencyKey } = session.stored.request;
    if (idempotencyKey !== undefined) this.idempotencyKeys.set(idempotencyKey, session.id);
  }

  /** Lets a session go that this node has no record of any more, with its stream. @param why as Session.letGo has it */
  remove(session: Session, why?: CodedError): void {
    session.letGo(why);
    addCounters(this.gone, session.progress.processCounters);
    this.sessions.delete(session.id);
    const { idempotencyKey } = session.stored.request;
    if (idempotencyKey !== undefined) this.idempotencyKeys.delete(idempotencyKey);
  }

  /**
   * Ended sessions give back their batches, then their record; the ones that ended first go first.
   * @param removeRecords removes the records of these ids from the store
   */
  makeRoom(removeRecords: (ids: string[]) => void): void {
    const finished = [...this.sessions.values()]
      .filter(({ state }) => isEnded(state))
      .sort((a, b) => a.stored.endedUnixMs - b.stored.endedUnixMs);
    for (const { progress } of finished.slice(0, Math.max(0, finished.length - FINISHED_BATCHES_KEPT_MAX))) {
      progress.stream?.retire();
    }
    const gone = finished.slice(0, Math.max(0, finished.length - FINISHED_KEPT_MAX));
    if (gone.length === 0) return;
    removeRecords(gone.map(({ id }) => id));
    for (const session of gone) this.remove(session);
  }

  /** Costs no more than reading counters. */
  totals(): SessionTotals {
    const totals = { ...this.gone, ledgerCurrent: 0, active: 0 };
    for (const { progress, state } of this.sessions.values()) {
      addCounters(totals, progress.processCounters);
      totals.ledgerCurrent = Math.max(totals.ledgerCurrent, progress.counter("ledgerCurrent"));
      if (isActive(state)) totals.active += 1;
    }
    return totals;
  }
}
