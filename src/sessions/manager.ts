/**
 * All sessions of the server: starts and stops them, and answers for them at any moment. Each session is one stream
 * of the pipeline: a source, a pump on this thread, the shared workers, and a log in the data plane.
 */
import { randomUUID } from "node:crypto";
import { CodedError } from "../error.ts";
import { SpanPump } from "../pipeline/span-pump.ts";
import { StreamCell } from "../pipeline/stream-cell.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { DecodePool } from "../workers/pool.ts";
import type { StreamSpec } from "../workers/records.ts";
import type { DataPlaneClient } from "./data-plane-client.ts";
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

/** What every session of this server has in common; from the configuration. */
export interface SessionDefaults {
  networkPassphrase: string;
  compat: "default" | "go";
  includeDeleted: boolean;
  contractIds: string[];
  assetCodes: string[];
  assetIssuers: string[];
  /** BATCH_SIZE; 0 = unset. */
  batchRows: number;
  /** Rows that an unset batch size never goes below, as far as `batchBytesMax` allows. */
  batchRowsMinTarget: number;
  batchBytesTarget: number;
  batchBytesMax: number;
  ledgerBytesMax: number;
  flushIntervalMs: number;
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
  readonly cell = StreamCell.create();
  readonly abort = new AbortController();
  readonly createdUnixMs = Date.now();
  readonly rate = new Rate();
  pump: SpanPump | undefined;
  /** Resolved when the session is no longer active. */
  readonly over: Promise<void>;
  settle = () => {};

  constructor(
    readonly id: string,
    readonly stream: number,
    readonly request: SessionRequest,
  ) {
    this.over = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.cell.set("updatedUnixMs", this.createdUnixMs);
  }
}

export class SessionManager implements SessionService {
  private readonly sessions = new Map<string, Session>();
  private readonly byStream = new Map<number, Session>();
  private streams = 0;
  private closed = false;
  /** Counters of sessions whose record has been removed, so that totals never fall. */
  private readonly removed = { rows: 0, rowsFiltered: 0, batches: 0, xdrBytes: 0, errors: 0, rowsSent: 0 };

  constructor(
    private readonly source: LedgerSource,
    private readonly defaults: SessionDefaults,
    private readonly pool: DecodePool,
    private readonly dataPlane: DataPlaneClient,
  ) {}

  async start(request: SessionRequest): Promise<SessionSnapshot> {
    checkRequest(request);
    if (this.closed) throw new CodedError("UNAVAILABLE", "SHUTTING_DOWN", "the server is shutting down");
    const active = this.active().length;
    if (active >= this.defaults.sessionsMax) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "SESSIONS_MAX",
        `${active} sessions are active, and SESSIONS_MAX is ${this.defaults.sessionsMax}: stop one, or raise the limit`,
      );
    }
    const session = new Session(randomUUID(), ++this.streams, request);
    this.sessions.set(session.id, session);
    this.byStream.set(session.stream, session);
    this.makeRoom();
    this.dataPlane.send({
      type: "open",
      opening: {
        stream: session.stream,
        id: session.id,
        cell: session.cell.memory,
        start: { ledger: request.ledgerStart, row: 0 },
        sessionStart: request.ledgerStart,
        ledgerEnd: request.ledgerEnd,
        networkPassphrase: this.defaults.networkPassphrase,
        slotsMax: this.defaults.slotsMax,
        retainedBytesMax: Math.max(1, Math.floor(this.defaults.retainedBytesMax / this.defaults.sessionsMax)),
      },
    });
    void this.run(session);
    return this.snapshot(session);
  }

  /** Stops reading; what is decoded is still delivered. Resolves once the session has come to rest. */
  async stop(id: string): Promise<SessionSnapshot> {
    const session = this.find(id);
    this.apply(session, "stopAsked");
    session.abort.abort();
    session.cell.bell.ring(); // wakes a pump that waits for credit
    await session.over;
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
    for (const { cell, state } of this.sessions.values()) {
      addCounters(totals, cell);
      totals.ledgerCurrent = Math.max(totals.ledgerCurrent, cell.get("ledgerCurrent"));
      totals.clients += cell.get("clients");
      if (isActive(state)) totals.active += 1;
    }
    return totals;
  }

  /** The data plane has put a session's last batch in order, or given the session up. */
  ended(stream: number, error: CodedError | undefined): void {
    const session = this.byStream.get(stream);
    if (session === undefined || !isActive(session.state)) return;
    session.abort.abort();
    session.cell.bell.ring();
    if (error !== undefined) {
      session.error = error;
      session.message = error.message;
      this.apply(session, "failed");
    } else {
      const { ledgerEnd } = session.request;
      const last = session.cell.get("ledgerCurrent");
      const complete = ledgerEnd !== 0 && last >= ledgerEnd;
      session.message = complete ? `completed at ledger ${last}` : `cancelled after ledger ${last}`;
      this.apply(session, complete ? "completed" : "drained");
    }
    void this.pool.closeStream(stream);
    this.makeRoom();
    session.settle();
  }

  /** A worker died: every session with work on it fails; the others go on. */
  workerDied(index: number, error: CodedError): void {
    for (const session of this.active()) {
      if (!session.pump?.dependsOn(index)) continue;
      const ledger = session.cell.get("ledgerCurrent");
      const cause = new CodedError(
        error.code,
        error.reason,
        `${error.message}; ledger ${ledger} is the last complete one`,
      );
      this.dataPlane.send({ type: "fail", stream: session.stream, error: cause.toRecord() });
    }
  }

  /** Stops every session; resolves when all have come to rest. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.active().map((session) => this.stop(session.id)));
  }

  private async run(session: Session): Promise<void> {
    const { request, stream } = session;
    let failure: CodedError | undefined;
    try {
      await this.checkNetwork();
      const pump = new SpanPump(
        this.pool,
        this.spec(session),
        session.cell,
        this.source,
        { ledgerStart: request.ledgerStart, ledgerEnd: request.ledgerEnd },
        this.defaults.flushIntervalMs,
        session.abort.signal,
      );
      session.pump = pump;
      this.apply(session, "started");
      await pump.run();
    } catch (thrown) {
      failure = CodedError.from(thrown);
    }
    this.dataPlane.send({ type: "end", stream, spans: session.pump?.spanCount ?? 0, error: failure?.toRecord() });
  }

  /** A source that names its network must name ours. */
  private async checkNetwork(): Promise<void> {
    const theirs = await this.source.networkPassphrase();
    if (theirs === undefined || theirs === this.defaults.networkPassphrase) return;
    throw new CodedError(
      "FAILED_PRECONDITION",
      "NETWORK_MISMATCH",
      `${this.source.description} holds "${theirs}", but NETWORK_PASSPHRASE is "${this.defaults.networkPassphrase}"`,
    );
  }

  private spec(session: Session): StreamSpec {
    const { defaults } = this;
    return {
      stream: session.stream,
      networkPassphrase: defaults.networkPassphrase,
      compat: defaults.compat,
      includeDeleted: defaults.includeDeleted,
      contractIds: defaults.contractIds,
      assetCodes: defaults.assetCodes,
      assetIssuers: defaults.assetIssuers,
      batchRowsMax: session.request.batchRows || defaults.batchRows,
      batchRowsMinTarget: defaults.batchRowsMinTarget,
      batchBytesTarget: defaults.batchBytesTarget,
      batchBytesMax: defaults.batchBytesMax,
      ledgerBytesMax: defaults.ledgerBytesMax,
    };
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
    session.cell.set("updatedUnixMs", Date.now());
  }

  /** Finished sessions give back their batches, then their record, oldest first. */
  private makeRoom(): void {
    const finished = [...this.sessions.values()].filter((session) => !isActive(session.state));
    for (const session of finished.slice(0, Math.max(0, finished.length - FINISHED_BATCHES_KEPT_MAX))) {
      if (this.byStream.delete(session.stream)) this.dataPlane.send({ type: "forget", stream: session.stream });
    }
    for (const session of finished.slice(0, Math.max(0, finished.length - FINISHED_KEPT_MAX))) {
      this.sessions.delete(session.id);
      addCounters(this.removed, session.cell);
    }
  }

  private snapshot(session: Session): SessionSnapshot {
    const { cell } = session;
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
