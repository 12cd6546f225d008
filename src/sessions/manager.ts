/**
 * All sessions of the server: starts, stops, re-aims and resumes them, and answers for them at any moment. Each session
 * is one stream of the engine at a time, with a state of its own (states.ts) and a record that outlives the process
 * (store.ts).
 *
 * The order of things: what is acknowledged is on disk first, and what is decided together (a filter and the ledger from
 * which it holds) is decided without a turn of the event loop in between.
 */

import { randomUUID } from "node:crypto";
import { quoted } from "../base/text.ts";
import { AssetTable } from "../engine/asset-table.ts";
import type { SourceWait } from "../engine/source-patience.ts";
import type { StreamEngine, StreamRequest } from "../engine/stream-engine.ts";
import { CodedError } from "../error.ts";
import type { Reason } from "../reasons/registry.ts";
import { AwaySource } from "../sources/away.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { LedgerSkip } from "../workers/records.ts";
import { checkFilterRoom } from "./filter-room.ts";
import { changedFilter, checkedFilter, filterValues, selectsSome } from "./filters.ts";
import { ManagedSession } from "./managed-session.ts";
import { type Abilities, checkedRequest, sameRequest } from "./request.ts";
import { SelfResume } from "./self-resume.ts";
import { type LogLines, SessionLog } from "./session-log.ts";
import type {
  FilterChange,
  FilterOutcome,
  SessionDetails,
  SessionRequest,
  SessionService,
  SessionSnapshot,
  StopOptions,
  WatchEvent,
  WatchListener,
} from "./session-service.ts";
import { settingBehind } from "./setting-faults.ts";
import type { SourceSet } from "./source-set.ts";
import { effectOf, isActive, isEnded, nextState, type SessionCall, type SessionEvent } from "./states.ts";
import type { Change, Outcome, SessionStore, StoredCheckpoint, StoredSession } from "./store.ts";
import { Tips } from "./tips.ts";

const FINISHED_KEPT_MAX = 256; // sessions that have ended and stay on record; older ones make room
const FINISHED_BATCHES_KEPT_MAX = 4; // of those, the ones whose last batches stay in memory for late clients
const FILTER_STEPS_MAX = 256; // a worker holds a compiled filter for each step of a session
const FILTER_STEPS_VALUES_MAX = 200_000; // of all a session's steps: 12 MB of ids, in every worker and in GetSession's answer
const DELIVERIES_MAX = 200; // of a session's clients, the last ones
const DRAIN_MS = 10_000; // what has been read is decoded in far less; longer means that something is stuck
const SOURCE_WAIT_LOG_MS = 3_000; // a source that fails for less is not worth a line
const CLIENTS_POLL_MS = 10; // while a stop waits for clients
const DROPPED = "the session was stopped, and what was not delivered is dropped";

/** Totals over all sessions since the process began. */
export interface SessionTotals {
  rows: number;
  rowsFiltered: number;
  ledgersSkipped: number;
  batches: number;
  xdrBytes: number;
  errors: number;
  /** Newest ledger of any session that is still known. */
  ledgerCurrent: number;
  active: number;
}

/** What a session is made with unless its request says otherwise; from the configuration. */
export interface SessionDefaults {
  filter: FilterRecord;
  /** KNOWN_ASSETS. */
  knownAssets: readonly string[];
  /** The passphrase of the network whose ledgers the server reads. */
  network: string;
  /** BATCH_SIZE; 0 = unset. */
  batchRows: number;
  /** CHANNEL_BUFFER_SIZE. */
  slotsMax: number;
  sessionsMax: number;
  /** CHECKPOINT_INTERVAL. */
  checkpointIntervalMs: number;
  /** RESUME_SESSIONS: false leaves what a restart found unfinished to ResumeSession. */
  resumeSessions: boolean;
  abilities: Abilities;
}

export class SessionManager implements SessionService {
  private readonly sessions = new Map<string, ManagedSession>();
  private readonly idempotencyKeys = new Map<string, string>();
  private readonly watchers = new Map<string, Set<WatchListener>>();
  private readonly tips = new Tips();
  private readonly log: SessionLog;
  private readonly selfResume = new SelfResume((session) => this.resumeByItself(session));
  private readonly timer: ReturnType<typeof setInterval>;
  private filter: FilterRecord;
  private lastNumber = 0;
  private closing = false;
  /** Counters of streams that are no longer held, so that totals never fall. */
  private readonly retired = {
    rows: 0,
    rowsFiltered: 0,
    batches: 0,
    xdrBytes: 0,
    errors: 0,
    ledgersSkipped: 0,
  };

  constructor(
    private readonly engine: StreamEngine,
    private readonly sources: SourceSet,
    private readonly store: SessionStore,
    private readonly defaults: SessionDefaults,
    lines?: LogLines,
  ) {
    this.log = new SessionLog(lines);
    this.filter = checkedFilter(defaults.filter);
    this.timer = setInterval(() => this.tick(), defaults.checkpointIntervalMs);
    this.timer.unref?.();
  }

  /**
   * Takes up what an earlier process left: what has ended can be asked for again, what was unfinished goes on or waits.
   * To be called once, before anything else.
   * @throws CodedError DATA_LOSS / STATE_DAMAGED; FAILED_PRECONDITION / STATE_NETWORK where sessions are of another
   * network than the server
   */
  async restore(): Promise<void> {
    const state = this.store.load();
    this.checkNetworks(state.sessions);
    const { defaults } = state;
    // A configuration that has been changed since is newer than what was said to the server before.
    if (defaults !== undefined && same(defaults.configured, checkedFilter(this.defaults.filter))) {
      this.filter = defaults.filter;
    }
    for (const stored of state.sessions) {
      const checkpoint = state.checkpoints.get(stored.id) ?? beginning(stored);
      const reservedTo = state.reservations.get(stored.id) ?? 0;
      const parts = state.learned.get(stored.id) ?? [];
      const assets = new AssetTable(stored.knownAssets, parts.flat());
      const steps = state.filters.get(stored.id)!;
      const session = new ManagedSession(stored, steps, checkpoint, reservedTo, assets, parts.length);
      this.lastNumber = Math.max(this.lastNumber, stored.number);
      this.hold(session);
      await this.takeUp(session);
      if (!isEnded(session.state)) {
        const { message } = this.snapshot(session);
        this.log.info("session restored", session, { ...rangeOf(session), message: message || undefined });
      }
    }
    this.makeRoom();
  }

  async start(request: SessionRequest): Promise<SessionSnapshot & { existed?: boolean }> {
    const checked = checkedRequest(request, this.defaults.abilities);
    this.refuseWhenClosing();
    const source = await this.sources.get(checked.source);
    // From here on nothing waits, so that two requests cannot both be the first.
    this.refuseWhenClosing();
    const earlier = this.earlier(checked);
    if (earlier !== undefined) return { ...this.snapshot(earlier), existed: true };
    this.admit();
    const now = Date.now();
    const stored: StoredSession = {
      id: randomUUID(),
      number: this.lastNumber + 1,
      request: checked,
      createdUnixMs: now,
      startedUnixMs: 0,
      endedUnixMs: 0,
      stopAsked: false,
      message: "",
      resumes: 0,
      network: this.defaults.network,
    };
    const knownAssets = [...new Set([...this.defaults.knownAssets, ...(checked.knownAssets ?? [])])];
    if (knownAssets.length > 0) stored.knownAssets = knownAssets;
    const filter = checked.filter ?? this.filter;
    checkFilterRoom(this.sessions.values(), [filter, { knownAssets: checked.knownAssets }]);
    const step = { ledgerFrom: checked.ledgerStart, filter, changedUnixMs: now };
    const session = new ManagedSession(stored, [step], beginning(stored), 0, new AssetTable(knownAssets));
    this.open(session, source, () =>
      this.store.commit([
        { put: "session", id: stored.id, record: stored },
        { put: "filter", id: stored.id, part: step.ledgerFrom, record: step },
      ]),
    );
    this.lastNumber = stored.number;
    this.hold(session);
    this.makeRoom();
    this.log.info("session started", session, rangeOf(session));
    return this.snapshot(session);
  }

  async stop(id: string, { mode = "drain", deadlineMs = 0 }: StopOptions = {}): Promise<SessionDetails> {
    const session = this.find(id);
    const effect = effectOf("stop", session.state);
    const waited = this.selfResume.cancel(session);
    if (effect === "answers") this.giveUp(session, waited);
    if (effect === "acts") {
      this.update(session, { stopAsked: true });
      this.apply(session, "stopAsked");
      if (isEnded(session.state)) this.finish(session, "cancelled", "cancelled while it waited to be resumed");
      else session.rest = this.bringToRest(session, mode, deadlineMs);
    } else if (effect === "joins" && mode === "drop") session.cutShort?.();
    await session.rest;
    return this.details(id);
  }

  /** A session that has failed, and that a restart would go on with: it must not, once it has been stopped. */
  private giveUp(session: ManagedSession, waited: boolean): void {
    if (settingBehind(session.error?.reason) !== undefined) {
      this.update(session, { stopAsked: true, outcome: "cancelled" });
    } else if (waited) this.update(session, { stopAsked: true });
  }

  get(id: string): SessionSnapshot {
    return this.snapshot(this.find(id));
  }

  async details(id: string): Promise<SessionDetails> {
    const session = this.find(id);
    const now = (await session.stream?.clients()) ?? [];
    return session.details(this.snapshot(session), [...session.delivered, ...now].slice(-DELIVERIES_MAX));
  }

  list(): SessionSnapshot[] {
    return [...this.sessions.values()].reverse().map((session) => this.snapshot(session));
  }

  async resume(id: string): Promise<SessionSnapshot> {
    const session = this.find(id);
    this.refuseWhenClosing();
    this.check(session, "resume", "wait until it has stopped");
    const source = await this.sources.get(session.stored.request.source);
    const deliveries = (await session.stream?.clients()) ?? [];
    this.refuseWhenClosing();
    this.find(id); // it may have been deleted meanwhile, and must not come back as half of a record
    this.check(session, "resume", "wait until it has stopped");
    if (effectOf("resume", session.state) === "answers") return this.snapshot(session);
    if (session.complete) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "SESSION_COMPLETE",
        `session ${id} is complete at ledger ${session.stored.request.ledgerEnd}: there is nothing to go on with; start another one`,
      );
    }
    this.admit();
    this.goOn(session, source);
    this.log.info("session resumed", session, rangeOf(session));
    session.delivered = [...session.delivered, ...deliveries].slice(-DELIVERIES_MAX);
    return this.snapshot(session);
  }

  async remove(id: string, force: boolean): Promise<void> {
    const session = this.find(id);
    if (effectOf("remove", session.state) === "refuses" && force) await this.stop(id, { mode: "drop" });
    this.check(session, "remove", "stop it first, or use force");
    if (!this.sessions.has(id)) return; // somebody else was faster
    this.store.commit([{ remove: id }]);
    const last = this.snapshot(session);
    this.letGo(session);
    this.log.info("session deleted", session);
    this.tell(last, "deleted");
  }

  configureFilters(change: FilterChange, id?: string): FilterOutcome {
    const named = id === undefined ? undefined : this.find(id);
    if (named !== undefined) this.check(named, "configureFilters", "resume it, or start another session");
    const defaults = named === undefined ? changedFilter(this.filter, change) : undefined;
    const targets = [...(named === undefined ? this.sessions.values() : [named])].filter(
      (session) => effectOf("configureFilters", session.state) === "acts",
    );
    const changes: Change[] = [];
    const after = new Map<FilterRecord, FilterRecord>(); // sessions that share a filter go on sharing it
    const steps = targets.map((session) => {
      const { filter: before, ledgerFrom: since } = session.steps.at(-1)!;
      const filter = after.get(before) ?? changedFilter(before, change);
      after.set(before, filter);
      // The same again is no change, so that a call whose answer was lost can be repeated.
      if (same(before, filter)) return { session, filter, ledgerFrom: since, changed: false };
      const ledgerFrom = Math.max(
        session.stream?.nextUndispatched ?? session.checkpoint.position.ledger,
        session.filterFloor,
      );
      this.checkSteps(session, ledgerFrom, filter);
      const { id } = session;
      const record = { ledgerFrom, filter, changedUnixMs: Date.now() };
      changes.push({ cutFilters: id, ledgerFrom }, { put: "filter", id, part: ledgerFrom, record });
      return { session, filter, ledgerFrom, changed: true };
    });
    checkFilterRoom(this.sessions.values(), [...after.values()]);
    if (defaults !== undefined) {
      const record = { filter: defaults, configured: checkedFilter(this.defaults.filter) };
      changes.push({ put: "default", id: "", record });
    }
    // One commit for all; only then does any worker hear of it.
    this.store.commit(changes);
    if (defaults !== undefined) this.filter = defaults;
    for (const { session, filter, ledgerFrom, changed } of steps) {
      if (!changed) continue;
      while (session.steps.length > 0 && session.steps.at(-1)!.ledgerFrom >= ledgerFrom) session.steps.pop();
      session.steps.push({ ledgerFrom, filter, changedUnixMs: Date.now() });
      session.stream?.setFilter(filter, ledgerFrom);
      this.log.info("filters changed", session, { fromLedger: ledgerFrom, filtered: selectsSome(filter) });
      this.tell(this.snapshot(session), "state");
    }
    return {
      applied: steps.map(({ session, filter, ledgerFrom }) => ({ id: session.id, ledgerFrom, filter })),
      defaults,
    };
  }

  get defaultFilter(): FilterRecord {
    return this.filter;
  }

  watch(id: string | undefined, listener: WatchListener): () => void {
    const key = id === undefined ? "" : this.find(id).id;
    const listeners = this.watchers.get(key) ?? new Set();
    this.watchers.set(key, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.watchers.get(key) === listeners) this.watchers.delete(key);
    };
  }

  /** Why nothing can be written down any more, for health; undefined while all is well. */
  get stateTrouble(): string | undefined {
    const { gone } = this.store;
    return gone === undefined
      ? undefined
      : `${gone} was removed or replaced under the server: put DATA_DIR back and restart`;
  }

  /** Costs no more than reading counters. */
  totals(): SessionTotals {
    const totals = { ...this.retired, ledgerCurrent: 0, active: 0 };
    for (const session of this.sessions.values()) {
      addCounters(totals, session);
      totals.ledgerCurrent = Math.max(totals.ledgerCurrent, session.counter("ledgerCurrent"));
      if (isActive(session.state)) totals.active += 1;
    }
    return totals;
  }

  /**
   * Ends the process's work, not the sessions: each stops behind what it has read and is left unfinished on record.
   * Their clients are ended with UNAVAILABLE and their cursor.
   */
  async close(): Promise<void> {
    this.closing = true;
    clearInterval(this.timer);
    this.selfResume.close();
    const why = new CodedError(
      "UNAVAILABLE",
      "SERVER_STOPPING",
      "the server is shutting down before the session's end: come back with the cursor of the last batch, which the trailers have too",
    );
    await Promise.all(
      this.active().map(async (session) => {
        session.ownEndings += 1;
        session.stream!.stop(why);
        await session.stream!.over;
        await session.rest;
      }),
    );
    this.tick();
    this.store.close();
    await this.sources.close();
  }

  /** A setting's slip must not end sessions: it stops the start, before any of them does anything. */
  private checkNetworks(sessions: readonly StoredSession[]): void {
    const others = sessions.filter(({ network }) => network !== undefined && network !== this.defaults.network);
    const [first] = others;
    if (first === undefined) return;
    throw new CodedError(
      "FAILED_PRECONDITION",
      "STATE_NETWORK",
      `${others.length} of ${sessions.length} sessions in ${this.store.path} are of the network ${quoted(first.network!)}, and this server reads ${quoted(this.defaults.network)}: set NETWORK_PASSPHRASE and SOURCE_ENDPOINT as they were, or give this network a DATA_DIR of its own`,
    );
  }

  // ── one session's way through its states ────────────────────────────────────────────────────────────────────────

  /** What a restart makes of a session. */
  private async takeUp(session: ManagedSession): Promise<void> {
    const { stored } = session;
    let source: LedgerSource;
    try {
      source = await this.sources.get(stored.request.source);
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (stored.outcome !== undefined) {
        session.state = stored.outcome === "failed" ? "ERROR" : "STOPPED";
        this.takeUpFailed(session);
      } else if (this.defaults.resumeSessions && SelfResume.mends(session, error)) {
        stored.message = `waits for its source: ${error.message}`;
        this.openWaiting(session, new AwaySource(stored.request.source ?? "", error));
        this.selfResume.plan(session);
      } else this.failed(session, error);
      return;
    }
    session.source = source;
    if (stored.outcome === undefined && stored.stopAsked) {
      session.state = "STOPPED";
      this.finish(session, "cancelled", `cancelled after ledger ${session.checkpoint.position.ledger - 1}`);
    } else if (stored.outcome === undefined && session.complete) {
      session.state = "STOPPED";
      this.finish(session, "completed", `completed at ledger ${stored.request.ledgerEnd}`);
    }
    if (stored.outcome !== undefined) {
      session.state = stored.outcome === "failed" ? "ERROR" : "STOPPED";
      const error = stored.error === undefined ? undefined : CodedError.fromRecord(stored.error);
      session.opened(this.engine.open({ ...this.streamRequest(session, source), finished: { error } }), 0);
      this.takeUpFailed(session);
      return;
    }
    stored.message = "waits for ResumeSession (RESUME_SESSIONS=false)";
    if (this.defaults.resumeSessions) {
      try {
        this.admit();
        this.goOn(session, source);
        return;
      } catch (thrown) {
        stored.message = `waits for ResumeSession: ${CodedError.from(thrown).message}`;
        this.log.warn("a session could not be resumed", session, { error: thrown });
      }
    }
    this.openWaiting(session, source);
  }

  /** For its clients, until it goes on: they are told to come back. */
  private openWaiting(session: ManagedSession, source: LedgerSource): void {
    const message = `session ${session.id} ${session.stored.message}`;
    const error = new CodedError("UNAVAILABLE", "SESSION_WAITING", message);
    session.opened(this.engine.open({ ...this.streamRequest(session, source), finished: { error } }), 0);
  }

  /** One that would have been resumed by itself had the server gone on. */
  private takeUpFailed(session: ManagedSession): void {
    const { outcome, error } = session.stored;
    if (outcome !== "failed" || !this.defaults.resumeSessions) return;
    if (SelfResume.mends(session, error)) this.selfResume.plan(session);
  }

  private async resumeByItself(session: ManagedSession): Promise<void> {
    const { id } = session;
    if (this.closing || this.sessions.get(id) !== session) return;
    if (session.state !== "ERROR" && session.state !== "UNKNOWN") return;
    try {
      await this.resume(id);
    } catch (thrown) {
      if (this.closing || this.sessions.get(id) !== session) return;
      if (session.state === "UNKNOWN")
        session.stored.message = `waits for its source: ${CodedError.from(thrown).message}`;
      this.log.warn("a session could not be resumed", session, { error: thrown });
      throw thrown;
    }
  }

  /** From the checkpoint on, as the session that it was. */
  private goOn(session: ManagedSession, source: LedgerSource): void {
    const { stored } = session;
    this.open(session, source, () => {
      this.update(session, {
        outcome: undefined,
        stopAsked: false,
        message: "",
        error: undefined,
        endedUnixMs: 0,
        resumes: stored.resumes + 1,
      });
      this.forget(session);
      session.error = undefined;
      session.filterFloor = session.reservedTo + 1;
    });
    this.selfResume.cancel(session);
  }

  /** @param record puts it on record; @throws CodedError what `record` throws, or RESOURCE_EXHAUSTED; nothing is left then */
  private open(session: ManagedSession, source: LedgerSource, record: () => void): void {
    const stream = this.engine.open(this.streamRequest(session, source));
    try {
      record();
    } catch (thrown) {
      stream.stop();
      stream.forget();
      throw thrown;
    }
    session.source = source;
    session.opened(stream, performance.now());
    this.apply(session, session.state === "UNKNOWN" ? "opened" : "resumed");
    void stream.started.then(() => {
      if (session.stream !== stream) return;
      if (session.stored.startedUnixMs === 0) {
        session.stored.startedUnixMs = Date.now();
        this.note([{ put: "session", id: session.id, record: session.stored }]);
      }
      this.apply(session, "started");
    });
    void stream.over.then((error) => {
      if (session.stream === stream && session.rest === undefined) this.ended(session, error);
    });
  }

  private streamRequest(session: ManagedSession, source: LedgerSource): StreamRequest {
    const { defaults } = this;
    const { request } = session.stored;
    return {
      id: session.id,
      source,
      start: session.checkpoint.position,
      ledgerStart: request.ledgerStart,
      ledgerEnd: request.ledgerEnd,
      filters: session.steps.map(({ ledgerFrom, filter }) => ({ ledgerFrom, filter })),
      assets: session.assets,
      learnsAssets: true,
      schemaVersion: (request.schemaVersion ?? 1) as StreamRequest["schemaVersion"],
      compression: request.compression ?? "none",
      batchRows: request.batchRows || defaults.batchRows,
      slotsMax: defaults.slotsMax,
      partitions: request.partitions,
      reserve: (ledger) => this.reserve(session, ledger),
      skipped: (skips, count) => this.skipped(session, skips, count),
      // One that has an end is asked for by somebody who waits for that, and is told what is wrong.
      sourceWaits: request.ledgerEnd === 0 ? (wait, over) => this.sourceWaits(session, wait, over) : undefined,
    };
  }

  /** Written down before any worker sees these ledgers: after a crash, a new filter begins behind them. */
  private reserve(session: ManagedSession, ledger: number): number {
    const reserved = session.reserve(ledger, performance.now());
    this.note([{ put: "reservation", id: session.id, record: { ledger: reserved } }]);
    return reserved;
  }

  private skipped(session: ManagedSession, skips: readonly LedgerSkip[], count: number): void {
    session.skippedLast = skips.at(-1) ?? session.skippedLast;
    this.log.skipped(session, skips, count, performance.now());
  }

  /** Its source has failed once more, or delivers again. */
  private sourceWaits(session: ManagedSession, wait: SourceWait, over: boolean): void {
    const { ledger, error, sinceUnixMs } = wait;
    const sinceMs = Date.now() - sinceUnixMs;
    if (session.waitLogged === !over) return;
    if (over) this.log.info("its source delivers again", session, { ledger, waitedMs: sinceMs });
    else if (sinceMs < SOURCE_WAIT_LOG_MS) return;
    else {
      const { code, reason, message } = error;
      this.log.warn("a session waits for its source", session, { ledger, code, reason, why: message, sinceMs });
    }
    session.waitLogged = !over;
    this.tell(this.snapshot(session), "state");
  }

  /** The stream has come to its end by itself. */
  private ended(session: ManagedSession, error: CodedError | undefined): void {
    if (this.closing) return; // it goes on after the restart
    session.takeCheckpoint(performance.now(), Date.now());
    session.rested(performance.now());
    if (error !== undefined) this.failed(session, error);
    else if (session.complete) {
      this.apply(session, "completed", "completed", `completed at ledger ${session.counter("ledgerCurrent")}`);
    } else this.apply(session, "drained", "cancelled", `cancelled after ledger ${session.counter("ledgerCurrent")}`);
    this.makeRoom();
  }

  private failed(session: ManagedSession, error: CodedError): void {
    session.error = error;
    this.apply(session, "failed", "failed", error.message);
    if (session.state === "ERROR" && SelfResume.mends(session, error)) this.selfResume.plan(session);
  }

  /** A stop: resolves when nothing works for the session any more. */
  private async bringToRest(session: ManagedSession, mode: "drain" | "drop", deadlineMs: number): Promise<void> {
    const stream = session.stream!;
    const until = performance.now() + (deadlineMs || DRAIN_MS);
    const cancelled = (reason: Reason, why: string) =>
      new CodedError(
        "CANCELLED",
        reason,
        `${why}: ResumeSession goes on with it, and the cursor of the last batch (in the trailers too) with reading`,
      );
    let cut: CodedError | undefined;
    let error: CodedError | undefined;
    if (mode === "drop") {
      cut = cancelled("SESSION_DROPPED", DROPPED);
      session.ownEndings += 1;
      stream.fail(cut);
      error = await stream.over;
    } else {
      let dropped = false;
      const cutShort = new Promise<typeof LATE>((resolve) => {
        session.cutShort = () => {
          dropped = true;
          resolve(LATE);
        };
      });
      const late = (why: string) => (dropped ? cancelled("SESSION_DROPPED", DROPPED) : cancelled("STOP_DEADLINE", why));
      stream.stop();
      const over = await Promise.race([within(stream.over, until), cutShort]);
      if (over === LATE) {
        cut = late(`what was read was not decoded within ${deadlineMs || DRAIN_MS} ms`);
        session.ownEndings += 1;
        stream.fail(cut);
        error = await stream.over;
      } else error = over;
      // Only where it was asked for: a client that does not read may take for ever.
      const waits = () => deadlineMs > 0 && cut === undefined && stream.cell.get("clients") > 0;
      while (waits() && !dropped && performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, CLIENTS_POLL_MS));
      }
      if (waits()) {
        cut = late(`not all was delivered within ${deadlineMs} ms`);
        stream.fail(cut);
      }
      session.cutShort = undefined;
    }
    session.takeCheckpoint(performance.now(), Date.now());
    session.rested(performance.now());
    if (cut !== undefined) {
      session.delivered.push(
        ...(await stream.clients()).map((each) => ({ ...each, leftUnixMs: each.leftUnixMs || Date.now() })),
      );
      this.drop(session);
    }
    const last = session.counter("ledgerCurrent");
    if (error !== undefined && error.reason !== cut?.reason) this.failed(session, error);
    else if (session.complete) this.apply(session, "completed", "completed", `completed at ledger ${last}`);
    else {
      const how = cut === undefined ? "" : "; what was not delivered was dropped";
      this.apply(session, "drained", "cancelled", `cancelled after ledger ${last}${how}`);
    }
    session.rest = undefined;
    this.makeRoom();
  }

  /** The data plane forgets the batches; the session's counters stay. */
  private drop(session: ManagedSession): void {
    const { stream } = session;
    addCounters(this.retired, session);
    session.drop();
    stream?.forget();
  }

  /** An event, and where it ends the session, its outcome: on record before anybody can see it. */
  private apply(session: ManagedSession, event: SessionEvent, outcome?: Outcome, message = ""): void {
    const state = nextState(session.state, event);
    if (state === session.state) return;
    if (outcome !== undefined) this.finish(session, outcome, message);
    session.state = state;
    session.stream?.cell.set("updatedUnixMs", Date.now());
    this.tell(this.snapshot(session), "state");
  }

  private finish(session: ManagedSession, outcome: Outcome, message: string): void {
    const { stored, checkpoint } = session;
    Object.assign(stored, { outcome, message, error: session.error?.toRecord(), endedUnixMs: Date.now() });
    const isOfSetting = outcome === "failed" && settingBehind(session.error?.reason) !== undefined;
    const record = isOfSetting
      ? { ...stored, outcome: undefined, message: "", error: undefined, endedUnixMs: 0 }
      : stored;
    try {
      this.store.commit([
        { put: "session", id: stored.id, record },
        ...checkpointChanges(session, { ...checkpoint, savedUnixMs: Date.now() }),
      ]);
      session.savedAssets();
    } catch (thrown) {
      // It has ended all the same; after a restart it would be found unfinished, and end again.
      this.log.warn("the end of a session could not be written", session, { error: thrown });
    }
    this.logEnd(session, outcome, message);
  }

  private logEnd(session: ManagedSession, outcome: Outcome, message: string): void {
    const ledger = session.counter("ledgerCurrent");
    const skipped = session.counter("ledgersSkipped") || undefined;
    const fields = { ledger, rows: session.counter("rows"), ledgersSkipped: skipped };
    if (outcome === "failed") {
      const { code, reason } = session.error ?? {};
      this.log.error("session failed", session, { ...fields, code, reason, why: message });
    } else this.log.info(outcome === "completed" ? "session completed" : "session stopped", session, fields);
  }

  // ── records, room, and who is told ──────────────────────────────────────────────────────────────────────────────

  /** Changes a session's record, on disk first. @throws CodedError UNAVAILABLE, with nothing changed */
  private update(session: ManagedSession, change: Partial<StoredSession>): void {
    const record = { ...session.stored, ...change };
    this.store.commit([{ put: "session", id: session.id, record }]);
    Object.assign(session.stored, change);
  }

  /** Whether it was written. */
  private note(changes: readonly Change[]): boolean {
    try {
      this.store.note(changes);
      return true;
    } catch (thrown) {
      const what = "a checkpoint could not be written; a restart would decode again from the last one";
      this.log.trouble(what, { error: thrown });
      return false;
    }
  }

  /** Every CHECKPOINT_INTERVAL: checkpoints of what has moved, rates, and those who watch. */
  private tick(): void {
    const nowMs = performance.now();
    this.log.closeMinutes(nowMs);
    const changes: Change[] = [];
    const saved: ManagedSession[] = [];
    for (const session of this.sessions.values()) {
      const { stream, progress } = session;
      if (stream === undefined) continue;
      if (isActive(session.state)) {
        session.rate.sample(session.counter("rows"), nowMs);
        if (session.source !== undefined) this.tips.refresh(session.source, nowMs);
      }
      if (progress !== session.savedAt) {
        const before = session.checkpoint;
        const record = session.takeCheckpoint(nowMs, Date.now());
        if (record !== before) {
          session.savedAt = progress;
          changes.push(...checkpointChanges(session, record));
          saved.push(session);
        }
      }
      if (progress !== session.toldAt) {
        session.toldAt = progress;
        if (this.watchers.size > 0) this.tell(this.snapshot(session), "progress");
      }
    }
    if (changes.length > 0 && this.note(changes)) for (const session of saved) session.savedAssets();
  }

  private tell(snapshot: SessionSnapshot, event: WatchEvent): void {
    for (const key of [snapshot.id, ""]) {
      for (const listener of [...(this.watchers.get(key) ?? [])]) listener(snapshot, event);
    }
  }

  private hold(session: ManagedSession): void {
    this.sessions.set(session.id, session);
    const { idempotencyKey } = session.stored.request;
    if (idempotencyKey !== undefined) this.idempotencyKeys.set(idempotencyKey, session.id);
  }

  private letGo(session: ManagedSession): void {
    this.selfResume.cancel(session);
    this.forget(session);
    this.sessions.delete(session.id);
    const { idempotencyKey } = session.stored.request;
    if (idempotencyKey !== undefined) this.idempotencyKeys.delete(idempotencyKey);
  }

  private forget(session: ManagedSession): void {
    const { stream } = session;
    if (stream === undefined) return;
    addCounters(this.retired, session);
    stream.forget();
    session.stream = undefined;
  }

  /** Ended sessions give back their batches, then their record; those that ended first go first. */
  private makeRoom(): void {
    const finished = [...this.sessions.values()]
      .filter(({ state }) => isEnded(state))
      .sort((a, b) => a.stored.endedUnixMs - b.stored.endedUnixMs);
    for (const { stream } of finished.slice(0, Math.max(0, finished.length - FINISHED_BATCHES_KEPT_MAX))) {
      stream?.retire();
    }
    const gone = finished.slice(0, Math.max(0, finished.length - FINISHED_KEPT_MAX));
    if (gone.length === 0) return;
    this.note(gone.map(({ id }) => ({ remove: id })));
    for (const session of gone) this.letGo(session);
  }

  // ── what is asked, and whether it may be ────────────────────────────────────────────────────────────────────────

  private earlier(request: SessionRequest): ManagedSession | undefined {
    const id = request.idempotencyKey === undefined ? undefined : this.idempotencyKeys.get(request.idempotencyKey);
    if (id === undefined) return undefined;
    const session = this.find(id);
    if (sameRequest(session.stored.request, request)) return session;
    throw new CodedError(
      "FAILED_PRECONDITION",
      "IDEMPOTENCY_KEY_REUSED",
      `the idempotency key belongs to another request, which started session ${id}: use a new key for a new session`,
    );
  }

  private admit(): void {
    const active = this.active().length;
    const { sessionsMax } = this.defaults;
    if (active < sessionsMax) return;
    throw new CodedError(
      "RESOURCE_EXHAUSTED",
      "SESSIONS_MAX",
      `${active} sessions are active, and SESSIONS_MAX is ${sessionsMax}: stop one, or raise the limit`,
    );
  }

  private refuseWhenClosing(): void {
    if (this.closing) throw new CodedError("UNAVAILABLE", "SERVER_STOPPING", "the server is shutting down");
  }

  private check(session: ManagedSession, call: SessionCall, remedy: string): void {
    if (effectOf(call, session.state) !== "refuses") return;
    const { id, state } = session;
    throw new CodedError("FAILED_PRECONDITION", `SESSION_${state}`, `session ${id} is ${state}: ${remedy}`);
  }

  private checkSteps(session: ManagedSession, ledgerFrom: number, next: FilterRecord): void {
    const steps = session.steps.filter((step) => step.ledgerFrom < ledgerFrom);
    const kept = steps.length;
    const values = steps.reduce((sum, { filter }) => sum + filterValues(filter), filterValues(next));
    if (values > FILTER_STEPS_VALUES_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "FILTER_STEPS_VALUES",
        `the filters of session ${session.id}, which keeps all that it ever had, would have ${values} values together, over max ${FILTER_STEPS_VALUES_MAX}: start another session`,
      );
    }
    if (kept < FILTER_STEPS_MAX) return;
    throw new CodedError(
      "RESOURCE_EXHAUSTED",
      "FILTER_STEPS_MAX",
      `the filters of session ${session.id} have changed ${kept} times, and ${FILTER_STEPS_MAX} is the limit: start another session`,
    );
  }

  private find(id: string): ManagedSession {
    const session = this.sessions.get(id);
    if (session === undefined) {
      throw new CodedError("NOT_FOUND", "SESSION_UNKNOWN", `no session has the id ${quoted(id)}`);
    }
    return session;
  }

  private active(): ManagedSession[] {
    return [...this.sessions.values()].filter(({ state }) => isActive(state));
  }

  private snapshot(session: ManagedSession): SessionSnapshot {
    return session.snapshot(performance.now(), Date.now(), this.tips.of(session.source));
  }
}

/** For the log: what is read, and from where. */
function rangeOf({ stored, steps, checkpoint, source }: ManagedSession) {
  const { ledgerStart, ledgerEnd } = stored.request;
  const { ledger } = checkpoint.position;
  return {
    ledgerStart,
    ledgerEnd: ledgerEnd === 0 ? "continuous" : ledgerEnd,
    ledgerNext: ledger === ledgerStart ? undefined : ledger,
    filtered: selectsSome(steps.at(-1)!.filter),
    source: source?.description ?? stored.request.source,
  };
}

function beginning({ request }: StoredSession) {
  return { position: { ledger: request.ledgerStart, row: 0 }, savedUnixMs: 0, counters: {}, activeMs: 0 };
}

/** A checkpoint, and what the session has learned up to it and not yet on record: one transaction. */
function checkpointChanges(session: ManagedSession, record: StoredCheckpoint): Change[] {
  const { id, unsavedAssets } = session;
  const changes: Change[] = [{ put: "checkpoint", id, record }];
  if (unsavedAssets !== undefined) {
    const { part, learned } = unsavedAssets;
    changes.push({ put: "assets", id, part, record: { learned } });
  }
  return changes;
}

function same(a: FilterRecord, b: FilterRecord): boolean {
  return JSON.stringify(a, Object.keys(a).sort()) === JSON.stringify(b, Object.keys(b).sort());
}

const LATE = Symbol("late");

async function within<T>(promise: Promise<T>, untilMs: number): Promise<T | typeof LATE> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(() => resolve(LATE), Math.max(0, untilMs - performance.now()));
  });
  const first = await Promise.race([promise, late]);
  clearTimeout(timer);
  return first;
}

const COUNTED = ["rows", "rowsFiltered", "batches", "xdrBytes", "errors", "ledgersSkipped"] as const;

/** What the session's present stream has done. */
function addCounters(totals: Record<(typeof COUNTED)[number], number>, session: ManagedSession): void {
  for (const name of COUNTED) totals[name] += session.streamCounter(name);
}
