/**
 * All sessions of the server: starts and stops them, and answers for them at any moment. Each session is one stream
 * of the engine, with a state of its own (states.ts).
 */
import { randomUUID } from "node:crypto";
import { CodedError } from "../error.ts";
import type { StreamCell } from "../pipeline/stream-cell.ts";
import type { EngineStream, StreamEngine } from "../pipeline/stream-engine.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { FilterRecord } from "../workers/records.ts";
import { Rate } from "./rate.ts";
import type { SessionRequest, SessionService, SessionSnapshot, SessionState } from "./session.ts";
import { isActive, nextState, type SessionEvent } from "./states.ts";

const FINISHED_KEPT_MAX = 32; // finished sessions whose state stays readable; older ones make room
const FINISHED_BATCHES_KEPT_MAX = 4; // finished sessions whose last batches stay for late clients
const LEDGER_MAX = 0xffffffff; // a ledger sequence is a uint32

/** Totals over all sessions since the process began. */
export interface SessionTotals {
  rows: number;
  rowsFiltered: number;
  batches: number;
  xdrBytes: number;
  errors: number;
  rowsSent: number;
  /** Newest ledger of any session that is still known. */
  ledgerCurrent: number;
  active: number;
  clients: number;
}

/** What a session is made with unless its request says otherwise; from the configuration. */
export interface SessionDefaults {
  filter: FilterRecord;
  /** BATCH_SIZE; 0 = unset. */
  batchRows: number;
  /** CHANNEL_BUFFER_SIZE. */
  slotsMax: number;
  /** Memory for retained batches of all sessions. */
  retainedBytesMax: number;
  sessionsMax: number;
}

class Session {
  state: SessionState = "STARTING";
  message = "";
  error: CodedError | undefined;
  readonly createdUnixMs = Date.now();
  readonly rate = new Rate();
  /** Whether its batches are still held. */
  held = true;

  constructor(
    readonly id: string,
    readonly request: SessionRequest,
    readonly stream: EngineStream,
  ) {}
}

export class SessionManager implements SessionService {
  private readonly sessions = new Map<string, Session>();
  private closed = false;
  /** Counters of sessions whose record has been removed, so that totals never fall. */
  private readonly removed = { rows: 0, rowsFiltered: 0, batches: 0, xdrBytes: 0, errors: 0, rowsSent: 0 };

  constructor(
    private readonly engine: StreamEngine,
    private readonly source: LedgerSource,
    private readonly defaults: SessionDefaults,
  ) {}

  async start(request: SessionRequest): Promise<SessionSnapshot> {
    checkRequest(request);
    if (this.closed) throw new CodedError("UNAVAILABLE", "SHUTTING_DOWN", "the server is shutting down");
    const { defaults } = this;
    const active = this.active().length;
    if (active >= defaults.sessionsMax) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "SESSIONS_MAX",
        `${active} sessions are active, and SESSIONS_MAX is ${defaults.sessionsMax}: stop one, or raise the limit`,
      );
    }
    const id = randomUUID();
    const stream = this.engine.open({
      id,
      source: this.source,
      start: { ledger: request.ledgerStart, row: 0 },
      ledgerEnd: request.ledgerEnd,
      filters: [{ ledgerFrom: request.ledgerStart, filter: defaults.filter }],
      schemaVersion: 1,
      compression: "none",
      batchRows: request.batchRows || defaults.batchRows,
      slotsMax: defaults.slotsMax,
      retainedBytesMax: Math.max(1, Math.floor(defaults.retainedBytesMax / defaults.sessionsMax)),
    });
    const session = new Session(id, request, stream);
    this.sessions.set(id, session);
    void stream.started.then(() => this.apply(session, "started"));
    void stream.over.then((error) => this.ended(session, error));
    this.makeRoom();
    return this.snapshot(session);
  }

  /** Stops reading; what is decoded is still delivered. Resolves once the session has come to rest. */
  async stop(id: string): Promise<SessionSnapshot> {
    const session = this.find(id);
    this.apply(session, "stopAsked");
    session.stream.stop();
    await session.stream.over;
    return this.snapshot(session);
  }

  get(id: string): SessionSnapshot {
    return this.snapshot(this.find(id));
  }

  list(): SessionSnapshot[] {
    return [...this.sessions.values()].reverse().map((session) => this.snapshot(session));
  }

  /** Costs no more than reading counters. */
  totals(): SessionTotals {
    const totals = { ...this.removed, ledgerCurrent: 0, active: 0, clients: 0 };
    for (const { stream, state } of this.sessions.values()) {
      addCounters(totals, stream.cell);
      totals.ledgerCurrent = Math.max(totals.ledgerCurrent, stream.cell.get("ledgerCurrent"));
      totals.clients += stream.cell.get("clients");
      if (isActive(state)) totals.active += 1;
    }
    return totals;
  }

  /** Stops every session; resolves when all have come to rest. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.active().map((session) => this.stop(session.id)));
  }

  private ended(session: Session, error: CodedError | undefined): void {
    if (error !== undefined) {
      session.error = error;
      session.message = error.message;
      this.apply(session, "failed");
    } else {
      const { ledgerEnd } = session.request;
      const last = session.stream.cell.get("ledgerCurrent");
      const complete = ledgerEnd !== 0 && last >= ledgerEnd;
      session.message = complete ? `completed at ledger ${last}` : `cancelled after ledger ${last}`;
      this.apply(session, complete ? "completed" : "drained");
    }
    this.makeRoom();
  }

  private find(id: string): Session {
    const session = this.sessions.get(id);
    if (session === undefined) {
      throw new CodedError("NOT_FOUND", "SESSION_UNKNOWN", `no session has the id ${JSON.stringify(id.slice(0, 64))}`);
    }
    return session;
  }

  private active(): Session[] {
    return [...this.sessions.values()].filter((session) => isActive(session.state));
  }

  private apply(session: Session, event: SessionEvent): void {
    session.state = nextState(session.state, event);
    session.stream.cell.set("updatedUnixMs", Date.now());
  }

  /** Finished sessions give back their batches, then their record, oldest first. */
  private makeRoom(): void {
    const finished = [...this.sessions.values()].filter((session) => !isActive(session.state));
    for (const session of finished.slice(0, Math.max(0, finished.length - FINISHED_BATCHES_KEPT_MAX))) {
      if (session.held) session.stream.forget();
      session.held = false;
    }
    for (const session of finished.slice(0, Math.max(0, finished.length - FINISHED_KEPT_MAX))) {
      this.sessions.delete(session.id);
      addCounters(this.removed, session.stream.cell);
    }
  }

  private snapshot(session: Session): SessionSnapshot {
    const { cell } = session.stream;
    const rows = cell.get("rows");
    return {
      id: session.id,
      state: session.state,
      request: session.request,
      ledgerCurrent: cell.get("ledgerCurrent"),
      entriesProcessed: rows,
      entriesSkipped: cell.get("rowsFiltered"),
      ledgersProcessed: cell.get("ledgers"),
      batchesCreated: cell.get("batches"),
      bytesProcessed: cell.get("xdrBytes"),
      batchBytes: cell.get("batchBytes"),
      errors: cell.get("errors"),
      ratePerSecond: isActive(session.state) ? session.rate.read(rows, performance.now()) : 0,
      clients: cell.get("clients"),
      createdUnixMs: session.createdUnixMs,
      updatedUnixMs: cell.get("updatedUnixMs"),
      message: session.message,
      error: session.error?.toRecord(),
    };
  }
}

const SUMMED = ["rows", "rowsFiltered", "batches", "xdrBytes", "errors", "rowsSent"] as const;

function addCounters(totals: Record<(typeof SUMMED)[number], number>, cell: StreamCell): void {
  for (const name of SUMMED) totals[name] += cell.get(name);
}

/** @throws CodedError INVALID_ARGUMENT */
function checkRequest({ ledgerStart, ledgerEnd, batchRows }: SessionRequest): void {
  for (const [name, value] of [
    ["start_ledger", ledgerStart],
    ["end_ledger", ledgerEnd],
    ["batch_size", batchRows],
  ] as const) {
    if (!Number.isInteger(value) || value < 0 || value > LEDGER_MAX) {
      throw new CodedError("INVALID_ARGUMENT", "REQUEST_INVALID", `${name} is ${value}: take 0 to ${LEDGER_MAX}`);
    }
  }
  if (ledgerStart === 0) {
    throw new CodedError("INVALID_ARGUMENT", "START_LEDGER", "start_ledger is 0: name the first ledger, 1 or more");
  }
  if (ledgerEnd !== 0 && ledgerEnd < ledgerStart) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "END_LEDGER",
      `end_ledger ${ledgerEnd} is before start_ledger ${ledgerStart}: name a later one, or 0 for a continuous session`,
    );
  }
}
