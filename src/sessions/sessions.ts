/**
 * The operations behind the control plane, over all sessions of the server: each call finds its session, decides whether
 * there is room, and leaves the rest to the session.
 *
 * The order of things: what is acknowledged is on disk first, and what is decided together (a filter and the ledger from
 * which it holds) is decided without a turn of the event loop in between.
 */
import { counted, quoted } from "../base/text.ts";
import { AssetTable } from "../engine/asset-table.ts";
import type { StreamEngine } from "../engine/stream-engine.ts";
import { CodedError } from "../error.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { ChangeWriter } from "./change-writer.ts";
import { Checkpointer } from "./checkpointer.ts";
import { checkFilterRoom } from "./filter-room.ts";
import { FilterTimeline, sameFilter } from "./filter-timeline.ts";
import { changedFilter, checkedFilter } from "./filters.ts";
import { SessionRegistry } from "./registry.ts";
import { Replicas } from "./replicas.ts";
import { beginning, checkedRequest } from "./request.ts";
import { restoreSession } from "./restore-session.ts";
import { checkOwnSessions } from "./scoped-sessions.ts";
import { Session } from "./session.ts";
import type { SessionDefaults, SessionHost } from "./session-host.ts";
import { sessionId } from "./session-id.ts";
import { type LogLines, SessionLog, type SessionTraces } from "./session-log.ts";
import { SessionProgress } from "./session-progress.ts";
import type {
  FilterChange,
  FilterOutcome,
  SessionDetails,
  SessionRequest,
  SessionService,
  SessionSnapshot,
  StopOptions,
  WatchListener,
} from "./session-service.ts";
import type { SourceSet } from "./source-set.ts";
import { effectOf, isEnded } from "./states.ts";
import type { Change, SessionStore, StoredSession, StoredState } from "./store.ts";
import { Tips } from "./tips.ts";
import { SessionWatchers } from "./watchers.ts";

/** All sessions of one server. `restore` is called once before anything else, and `close` at the end. */
export class Sessions implements SessionService, SessionHost {
  readonly log: SessionLog;
  readonly checkpointer: Checkpointer;
  /** Sessions that the cluster keeps. */
  readonly replicas: Replicas;
  readonly store: ChangeWriter;
  private readonly registry = new SessionRegistry();
  readonly tips = new Tips();
  readonly watchers = new SessionWatchers();
  private readonly timer: ReturnType<typeof setInterval>;
  private filter: FilterRecord;
  private isClosing = false;

  /** @param lines absent = nothing is logged */
  constructor(
    readonly engine: StreamEngine,
    readonly sources: SourceSet,
    /** DATA_DIR. */
    readonly disk: SessionStore,
    readonly defaults: SessionDefaults,
    lines?: LogLines,
    traces?: SessionTraces,
  ) {
    this.log = new SessionLog(lines, traces);
    this.replicas = new Replicas(disk, this);
    this.store = this.replicas;
    this.checkpointer = new Checkpointer(this.store, this.log);
    this.filter = checkedFilter(defaults.filter);
    this.timer = setInterval(() => this.tick(), defaults.checkpointIntervalMs);
    this.timer.unref?.();
  }

  // ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async start(request: SessionRequest, ownSessionsMax?: number): Promise<SessionSnapshot & { existed?: boolean }> {
    const dictionaries = request.dictionaries ?? this.defaults.dictionaries;
    const checked = checkedRequest({ ...request, dictionaries }, this.defaults.limits);
    this.refuseWhenClosing();
    const source = await this.sources.get(checked.source);
    // From here on nothing waits, so that two requests cannot both be the first.
    this.refuseWhenClosing();
    const earlier = this.registry.earlier(checked) ?? this.replicas.earlier(checked);
    if (earlier !== undefined) {
      await this.store.stored(earlier.id);
      return { ...earlier.snapshot(), existed: true };
    }
    if (checked.replicated) this.replicas.checkThere();
    this.admit();
    if (checked.owner !== undefined) this.checkOwner(checked.owner, ownSessionsMax);
    const session = this.newSession(checked);
    session.start(source);
    this.registry.add(session);
    try {
      await this.store.stored(session.id);
    } catch (thrown) {
      this.depart(session.id, CodedError.from(thrown));
      const faster = this.replicas.earlier(checked); // another node has begun it at the same time
      if (faster === undefined) throw thrown;
      return { ...faster.snapshot(), existed: true };
    }
    this.log.step("session started", session);
    return session.snapshot();
  }

  /** @throws CodedError RESOURCE_EXHAUSTED / FILTER_VALUES_ALL */
  private newSession(request: SessionRequest): Session {
    const { defaults } = this;
    const now = Date.now();
    const stored: StoredSession = {
      id: sessionId(request),
      number: this.registry.nextNumber,
      request,
      createdUnixMs: now,
      startedUnixMs: 0,
      endedUnixMs: 0,
      stopAsked: false,
      message: "",
      resumes: 0,
      network: defaults.network,
    };
    const knownAssets = [...new Set([...defaults.knownAssets, ...(request.knownAssets ?? [])])];
    if (knownAssets.length > 0) stored.knownAssets = knownAssets;
    const filter = request.filter ?? this.filter;
    checkFilterRoom(this.registry.all(), [filter, { knownAssets: request.knownAssets }]);
    const timeline = new FilterTimeline([{ ledgerFrom: request.ledgerStart, filter, changedUnixMs: now }]);
    const progress = new SessionProgress(request, beginning(request), 0, new AssetTable(knownAssets));
    return new Session(this, stored, timeline, progress);
  }

  async stop(id: string, options?: StopOptions): Promise<SessionDetails> {
    await this.here(id).stop(options);
    await this.store.stored(id);
    return this.here(id).details();
  }

  get(id: string): SessionSnapshot {
    return this.find(id).snapshot();
  }

  async details(id: string): Promise<SessionDetails> {
    return this.find(id).details();
  }

  list(): SessionSnapshot[] {
    const all = [...this.replicas.allAway(), ...this.registry.all()];
    return all.reverse().map((session) => session.snapshot());
  }

  async resume(id: string): Promise<SessionSnapshot> {
    const session = this.here(id);
    await session.resume();
    await this.store.stored(id);
    return session.snapshot();
  }

  async remove(id: string, force: boolean): Promise<void> {
    const session = this.here(id);
    if (effectOf("remove", session.state) === "refuses" && force) await session.stop({ mode: "drop" });
    session.check("remove", "stop it first, or use force");
    if (!this.registry.has(id)) return; // somebody else was faster
    this.store.commit([{ remove: id }]);
    const last = session.snapshot();
    this.registry.remove(session);
    this.log.info("session deleted", session);
    this.watchers.tell(last, "deleted");
    await this.store.stored(id);
  }

  async configureFilters(change: FilterChange, id?: string): Promise<FilterOutcome> {
    const named = id === undefined ? undefined : this.here(id);
    named?.check("configureFilters", "resume it, or start another session");
    const defaults = named === undefined ? changedFilter(this.filter, change) : undefined;
    const targets = [...(named === undefined ? this.registry.all() : [named])].filter(
      ({ state }) => effectOf("configureFilters", state) === "acts",
    );
    const after = new Map<FilterRecord, FilterRecord>(); // sessions that share a filter go on sharing it
    const next = (before: FilterRecord) => {
      const filter = after.get(before) ?? changedFilter(before, change);
      after.set(before, filter);
      return filter;
    };
    const plans = targets.map((session) => session.planFilter(next));
    checkFilterRoom(this.registry.all(), [...after.values()]);
    const changes: Change[] = plans.flatMap((plan) => plan.changes);
    if (defaults !== undefined) {
      const record = { filter: defaults, configured: checkedFilter(this.defaults.filter) };
      changes.push({ put: "default", id: "", record });
    }
    // One commit for all; only then does any worker hear of it.
    this.store.commit(changes);
    if (defaults !== undefined) this.filter = defaults;
    for (const plan of plans) plan.session.setFilter(plan);
    await Promise.all(plans.map(({ session }) => this.store.stored(session.id)));
    return {
      applied: plans.map(({ session, step: { ledgerFrom, filter } }) => ({ id: session.id, ledgerFrom, filter })),
      defaults,
    };
  }

  get defaultFilter(): FilterRecord {
    return this.filter;
  }

  watch(id: string | undefined, listener: WatchListener): () => void {
    if (id !== undefined) this.find(id);
    return this.watchers.watch(id, listener);
  }

  // ── the server's life ───────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Restores what an earlier process left: sessions that have ended can be asked for again, unfinished ones go on or wait.
   * @throws CodedError DATA_LOSS / STATE_DAMAGED; FAILED_PRECONDITION / STATE_NETWORK where sessions are of another
   * network than the server
   */
  async restore(): Promise<void> {
    const state = this.disk.load();
    this.checkNetworks(state.sessions);
    const { defaults } = state;
    // A configuration that has been changed since is newer than what was said to the server before.
    if (defaults !== undefined && sameFilter(defaults.configured, checkedFilter(this.defaults.filter))) {
      this.filter = defaults.filter;
    }
    for (const stored of state.sessions) {
      const session = this.storedSession(stored, state);
      this.registry.add(session);
      await restoreSession(session, this);
      if (!isEnded(session.state)) {
        const { message } = session.snapshot();
        this.log.step("session restored", session, { message: message || undefined });
      }
    }
    this.makeRoom();
  }

  private storedSession(stored: StoredSession, state: StoredState): Session {
    const { id, request } = stored;
    const parts = state.learned.get(id) ?? [];
    const progress = new SessionProgress(
      request,
      state.checkpoints.get(id) ?? beginning(request),
      state.reservations.get(id) ?? 0,
      new AssetTable(stored.knownAssets, parts.flat()),
      parts.length,
    );
    return new Session(this, stored, new FilterTimeline(state.filters.get(id)!), progress);
  }

  /** A slip in a setting must not end sessions: it stops the start, before any of them does anything. */
  private checkNetworks(sessions: readonly StoredSession[]): void {
    const others = sessions.filter(({ network }) => network !== undefined && network !== this.defaults.network);
    const [first] = others;
    if (first === undefined) return;
    throw new CodedError(
      "FAILED_PRECONDITION",
      "STATE_NETWORK",
      `${others.length} of ${counted(sessions.length, "session")} in ${this.disk.path} are of the network ${quoted(first.network!)}, and this server reads ${quoted(this.defaults.network)}: set NETWORK_PASSPHRASE and SOURCE_ENDPOINT as they were, or give this network a DATA_DIR of its own`,
    );
  }

  /**
   * Ends the process's work, not the sessions: each stops behind what it has read and is left unfinished on record.
   * Their clients are ended with UNAVAILABLE and their cursor.
   */
  async close(): Promise<void> {
    this.isClosing = true;
    clearInterval(this.timer);
    for (const session of this.registry.all()) session.closeResume();
    const why = new CodedError(
      "UNAVAILABLE",
      "SERVER_STOPPING",
      "the server is shutting down before the session's end: come back with the cursor of the last batch, which the trailers have too",
    );
    await Promise.all(this.registry.active().map((session) => session.suspend(why)));
    this.tick();
    this.disk.close();
    await this.sources.close();
  }

  /** Why nothing can be written down any more, for health; undefined while all is well. */
  get stateTrouble(): string | undefined {
    const { gone } = this.disk;
    return gone === undefined
      ? undefined
      : `${gone} was removed or replaced under the server: put DATA_DIR back and restart`;
  }

  /** Totals over all sessions since the process began; costs no more than reading counters. */
  totals(): ReturnType<SessionRegistry["totals"]> {
    return this.registry.totals();
  }

  /** Every CHECKPOINT_INTERVAL: rates, checkpoints of what has moved, and those who watch. */
  private tick(): void {
    const nowMs = performance.now();
    this.log.closeMinutes(nowMs);
    for (const session of this.registry.all()) {
      const source = session.sampleRate(nowMs);
      if (source !== undefined) this.tips.refresh(source, nowMs);
    }
    this.checkpointer.save(this.registry.all(), nowMs);
    for (const session of this.registry.all()) {
      if (session.progress.hasNews() && !this.watchers.isEmpty) this.watchers.tell(session.snapshot(), "progress");
    }
  }

  // ── what sessions ask of the server ─────────────────────────────────────────────────────────────────────────────

  get closing(): boolean {
    return this.isClosing;
  }

  refuseWhenClosing(): void {
    if (this.isClosing) throw new CodedError("UNAVAILABLE", "SERVER_STOPPING", "the server is shutting down");
  }

  private checkOwner(owner: string, max?: number): void {
    checkOwnSessions(owner, this.registry.active().filter(({ stored }) => stored.request.owner === owner).length, max);
  }

  admit(): void {
    const active = this.registry.active().length;
    const { sessionsMax } = this.defaults;
    if (active < sessionsMax) return;
    throw new CodedError(
      "RESOURCE_EXHAUSTED",
      "SESSIONS_MAX",
      `${active} sessions are active, and SESSIONS_MAX is ${sessionsMax}: stop one, or raise the limit`,
    );
  }

  /** The session, whichever node runs it. @throws CodedError NOT_FOUND / SESSION_UNKNOWN, UNAVAILABLE / CLUSTER_AWAY */
  private find(id: string) {
    return this.replicas.away(id) ?? this.ofThisNode(id);
  }

  /** The session, which this node has to run. @throws CodedError FAILED_PRECONDITION / SESSION_ELSEWHERE and as `find` */
  private here(id: string): Session {
    const away = this.replicas.away(id);
    if (away !== undefined) throw away.refusal;
    return this.ofThisNode(id);
  }

  private ofThisNode(id: string): Session {
    if (!this.registry.has(id)) this.replicas.checkRead(id);
    return this.registry.find(id);
  }

  // ── what replicas ask of it ─────────────────────────────────────────────────────────────────────────────────────

  get terms(): string {
    return this.defaults.terms;
  }

  leaseUntilMs(id: string): number {
    return this.replicas.untilMs(id);
  }

  held(id: string, untilMs: number): void {
    if (this.registry.has(id)) this.registry.find(id).progress.stream?.cell.setLeaseUntilMs(untilMs);
  }

  async takeOver(state: StoredState): Promise<boolean> {
    const session = this.storedSession(state.sessions[0]!, state);
    this.registry.add(session);
    await restoreSession(session, this);
    const works = session.state !== "UNKNOWN";
    if (works) this.log.step("session taken over", session);
    return works;
  }

  depart(id: string, why: CodedError): void {
    if (!this.registry.has(id)) return;
    const session = this.registry.find(id);
    this.log.info("session let go", session, { why: why.message });
    this.registry.remove(session, why);
  }

  has(id: string): boolean {
    return this.registry.has(id);
  }

  checkKnown(session: { readonly id: string }): void {
    const { id } = session;
    if (this.here(id) === session) return;
    throw new CodedError("UNAVAILABLE", "SESSION_MOVED", `session ${id} has left this node and come back: try again`);
  }

  makeRoom(): void {
    this.registry.makeRoom((ids) => this.checkpointer.note(ids.map((remove) => ({ remove }))));
  }
}
