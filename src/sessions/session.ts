/**
 * One session: a stream of the engine at a time, a state, and a record that outlives the process (store.ts). The session
 * owns its life: it is the only writer of its state, which moves by the table of states.ts alone. An outcome is on record
 * before anybody can see the state that it leads to.
 */
import { CodedError } from "../error.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import { Drain } from "./drain.ts";
import { type FilterTimeline, sameFilter } from "./filter-timeline.ts";
import { resumesItself, SelfResume } from "./self-resume.ts";
import { type Ending, writeEnding } from "./session-ending.ts";
import type { SessionHost } from "./session-host.ts";
import type { SessionProgress } from "./session-progress.ts";
import type {
  Delivery,
  FilterHistoryStep,
  SessionDetails,
  SessionSnapshot,
  SessionState,
  StopOptions,
} from "./session-service.ts";
import { snapshotOf } from "./session-snapshot.ts";
import { streamRequestOf } from "./session-stream.ts";
import { settingBehind } from "./setting-faults.ts";
import { ENDED_BY, effectOf, isActive, isEnded, nextState, type SessionCall, type SessionEvent } from "./states.ts";
import type { Change, StoredSession } from "./store.ts";

const DELIVERIES_MAX = 200; // the last clients of a session

/** A change of filters that one session is to make, decided and not yet made. */
interface PlannedFilter {
  session: Session;
  step: FilterHistoryStep;
  /** Empty where the filter in force is the same already, so that a call whose answer was lost can be repeated. */
  changes: Change[];
}

/** One session. Methods that act take it for granted that the session has not been deleted. */
export class Session {
  private current: SessionState = "UNKNOWN";
  /** Where its ledgers come from; undefined until the source is opened. */
  private source: LedgerSource | undefined;
  /** The stop that is under way, and its end. */
  private stopping: { drain: Drain; rest: Promise<void> } | undefined;
  private error: CodedError | undefined;
  /** What clients have received of earlier streams. */
  private delivered: Delivery[] = [];
  /** It was let go: what still works for it changes nothing. */
  private isGone = false;
  private readonly selfResume = new SelfResume(() => this.resumeByItself());

  /** @param stored the session's record, which the session takes over */
  constructor(
    private readonly host: SessionHost,
    readonly stored: StoredSession,
    private readonly timeline: FilterTimeline,
    readonly progress: SessionProgress,
  ) {}

  get id(): string {
    return this.stored.id;
  }

  get state(): SessionState {
    return this.current;
  }

  /** All filters that it ever had, in rising order of ledgers. */
  get steps(): readonly FilterHistoryStep[] {
    return this.timeline.steps;
  }

  // ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────────

  get sourceShown(): string {
    return this.source?.description ?? this.stored.request.source ?? "";
  }

  get ledgerTip(): number {
    return this.host.tips.of(this.source);
  }

  get resumesAtUnixMs(): number {
    return this.selfResume.atUnixMs;
  }

  snapshot(): SessionSnapshot {
    return snapshotOf(this, performance.now(), Date.now());
  }

  /** The snapshot with all that is known beside it: checkpoint, filters and clients. */
  async details(): Promise<SessionDetails> {
    const deliveries = await this.deliveries();
    const { position, savedUnixMs } = this.progress.checkpoint;
    return {
      ...this.snapshot(),
      ...{ checkpoint: { position, savedUnixMs }, filterHistory: [...this.steps], deliveries },
    };
  }

  private async deliveries(): Promise<Delivery[]> {
    const now = (await this.progress.stream?.clients()) ?? [];
    return [...this.delivered, ...now].slice(-DELIVERIES_MAX);
  }

  /** Once every CHECKPOINT_INTERVAL. */
  sampleRate(nowMs: number): LedgerSource | undefined {
    if (this.progress.stream === undefined || !isActive(this.state)) return undefined;
    this.progress.sampleRate(nowMs);
    return this.source;
  }

  // ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Starts a new session.
   * @throws CodedError RESOURCE_EXHAUSTED (memory), UNAVAILABLE / STATE_NOT_WRITTEN; nothing is left then
   */
  start(source: LedgerSource): void {
    const { id, stored } = this;
    const step = this.timeline.newest;
    this.open(source, "opened", () =>
      this.host.store.commit([
        { put: "session", id, record: stored },
        { put: "filter", id, part: step.ledgerFrom, record: step },
      ]),
    );
  }

  /** Stops it; resolves when nothing works for the session any more. @throws CodedError UNAVAILABLE / STATE_NOT_WRITTEN */
  async stop(options: StopOptions = {}): Promise<void> {
    const effect = effectOf("stop", this.state);
    const waited = this.selfResume.cancel();
    if (effect === "answers") this.giveUp(waited);
    if (effect === "acts") this.beginStop(options);
    else if (effect === "joins" && options.mode === "drop") this.stopping?.drain.dropRest();
    await this.stopping?.rest;
  }

  private beginStop(options: StopOptions): void {
    this.update({ stopAsked: true });
    if (this.state === "UNKNOWN") {
      this.apply("stopAsked", { outcome: "cancelled", message: "cancelled while it waited to be resumed" });
      return;
    }
    this.apply("stopAsked");
    const { progress } = this;
    const drain = new Drain(progress.stream!, options, () => progress.endsOnPurpose());
    this.stopping = { drain, rest: this.drain(drain) };
  }

  /** A failed session that a restart would resume: once stopped, it is not resumed any more. */
  private giveUp(waited: boolean): void {
    if (settingBehind(this.error?.reason) !== undefined) this.update({ stopAsked: true, outcome: "cancelled" });
    else if (waited) this.update({ stopAsked: true });
  }

  /** Goes on from the checkpoint; a session that works already is left alone. @throws CodedError as SessionService.resume */
  async resume(): Promise<void> {
    const { host, id } = this;
    host.refuseWhenClosing();
    this.check("resume", "wait until it has stopped");
    const source = await host.sources.get(this.stored.request.source);
    const deliveries = await this.deliveries();
    host.refuseWhenClosing();
    host.checkKnown(this); // deleted, or another node's, it must not come back as half of a record
    this.check("resume", "wait until it has stopped");
    if (effectOf("resume", this.state) === "answers") return;
    if (this.progress.complete) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "SESSION_COMPLETE",
        `session ${id} is complete at ledger ${this.stored.request.ledgerEnd}: there is nothing to go on with; start another one`,
      );
    }
    host.admit();
    this.goOn(source);
    host.log.step("session resumed", this);
    this.delivered = deliveries;
  }

  /** @throws CodedError FAILED_PRECONDITION / SESSION_<state> where the state table refuses the call */
  check(call: SessionCall, remedy: string): void {
    const { id, state } = this;
    if (effectOf(call, state) !== "refuses") return;
    throw new CodedError("FAILED_PRECONDITION", `SESSION_${state}`, `session ${id} is ${state}: ${remedy}`);
  }

  /**
   * Decides about a new filter and the ledger from which it holds. `setFilter` follows in the same turn of the event loop.
   * @param next makes the new filter from the one in force
   * @throws CodedError RESOURCE_EXHAUSTED where the session may have no more filters
   */
  planFilter(next: (before: FilterRecord) => FilterRecord): PlannedFilter {
    const { id, timeline, progress } = this;
    const { newest } = timeline;
    // Others may be running on a reservation that is stored: behind it, whoever runs the session has this filter.
    if (this.stored.request.replicated) progress.raiseFilterFloor();
    const filter = next(newest.filter);
    if (sameFilter(newest.filter, filter)) return { session: this, step: { ...newest, filter }, changes: [] };
    const undispatched = progress.stream?.nextUndispatched ?? progress.checkpoint.position.ledger;
    const ledgerFrom = Math.max(undispatched, progress.filterFloor);
    timeline.checkRoom(id, ledgerFrom, filter);
    const step = { ledgerFrom, filter, changedUnixMs: Date.now() };
    const changes: Change[] = [
      { cutFilters: id, ledgerFrom },
      { put: "filter", id, part: ledgerFrom, record: step },
    ];
    return { session: this, step, changes };
  }

  /** Makes a change of filters whose `changes` are on disk. */
  setFilter({ step, changes }: PlannedFilter): void {
    if (changes.length === 0) return;
    const { ledgerFrom, filter } = step;
    this.timeline.add(step);
    this.progress.stream?.setFilter(filter, ledgerFrom);
    this.host.log.info("filters changed", this, { fromLedger: ledgerFrom, filtered: this.timeline.selectsSome });
    this.host.watchers.tell(this.snapshot(), "state");
  }

  /** The server is shutting down: stops behind what was read and leaves the session unfinished on record. */
  async suspend(why: CodedError): Promise<void> {
    const stream = this.progress.stream!;
    this.progress.endsOnPurpose();
    stream.stop(why);
    await stream.over;
    await this.stopping?.rest;
  }

  /** The session plans no resume any more, since the server is shutting down. */
  closeResume(): void {
    this.selfResume.close();
  }

  /** The session is off the record, or another node's: its stream goes too. @param why its clients are ended; absent: it was removed */
  letGo(why?: CodedError): void {
    this.isGone = true;
    this.selfResume.close();
    this.progress.forget(why);
  }

  // ── its way through its states ──────────────────────────────────────────────────────────────────────────────────

  /** From the checkpoint on, as the session that it was. @throws CodedError what `open` throws; nothing is changed then */
  goOn(source: LedgerSource): void {
    const { stored, progress } = this;
    this.open(source, "resumed", () => {
      this.update({
        outcome: undefined,
        stopAsked: false,
        message: "",
        error: undefined,
        endedUnixMs: 0,
        resumes: stored.resumes + 1,
      });
      progress.forget();
      this.error = undefined;
      progress.raiseFilterFloor();
    });
    this.selfResume.cancel();
  }

  /** @param record puts it on record; @throws CodedError what `record` throws, or RESOURCE_EXHAUSTED; nothing is left then */
  private open(source: LedgerSource, event: SessionEvent, record: () => void): void {
    const { host, stored, progress } = this;
    const stream = host.engine.open(streamRequestOf(this, source, host));
    try {
      record();
    } catch (thrown) {
      stream.stop();
      stream.forget();
      throw thrown;
    }
    this.source = source;
    progress.opened(stream, performance.now());
    stream.cell.setLeaseUntilMs(host.leaseUntilMs(this.id));
    this.apply(event);
    void stream.started.then(() => {
      if (progress.stream !== stream) return;
      if (stored.startedUnixMs === 0) {
        stored.startedUnixMs = Date.now();
        host.checkpointer.note([{ put: "session", id: this.id, record: stored }]);
      }
      this.apply("started");
    });
    void stream.over.then((error) => {
      if (progress.stream === stream && this.stopping === undefined) this.ended(error);
    });
  }

  /** A stream that does no work: it answers clients from the source, and ends them with `error`. */
  openFinished(source: LedgerSource, error: CodedError | undefined): void {
    const { engine } = this.host;
    this.source = source;
    this.progress.opened(engine.open({ ...streamRequestOf(this, source, this.host), finished: { error } }), 0);
  }

  /** The stream has come to its end by itself. */
  private ended(error: CodedError | undefined): void {
    if (this.host.closing || this.isGone) return; // it goes on after the restart, or elsewhere
    this.takeLastCheckpoint();
    this.end(error, "");
  }

  /** A stop: resolves when nothing works for the session any more. */
  private async drain(drain: Drain): Promise<void> {
    const { progress } = this;
    const { error, cut } = await drain.run();
    if (this.isGone) return;
    this.takeLastCheckpoint();
    if (cut !== undefined) {
      const clients = (await progress.stream?.clients()) ?? [];
      this.delivered.push(...clients.map((each) => ({ ...each, leftUnixMs: each.leftUnixMs || Date.now() })));
      progress.drop();
    }
    this.end(error, cut === undefined ? "" : "; what was not delivered was dropped");
    this.stopping = undefined;
  }

  private takeLastCheckpoint(): void {
    this.progress.takeCheckpoint(performance.now(), Date.now());
    this.progress.rested(performance.now());
  }

  /** @param how the end of the sentence that says where the session was cancelled */
  private end(error: CodedError | undefined, how: string): void {
    const last = this.progress.counter("ledgerCurrent");
    if (error !== undefined) this.fail(error);
    else if (this.progress.complete) {
      this.apply("completed", { outcome: "completed", message: `completed at ledger ${last}` });
    } else this.apply("drained", { outcome: "cancelled", message: `cancelled after ledger ${last}${how}` });
    this.host.makeRoom();
  }

  /** The session fails; where a retry may help, its resume is planned. */
  fail(error: CodedError): void {
    this.error = error;
    this.apply("failed", { outcome: "failed", message: error.message });
    if (this.state === "ERROR" && resumesItself(this.stored, error)) this.planResume();
  }

  /** Ends a session that its record says is over. Called once, at a restart. @returns whether it has ended */
  endAsRecorded(): boolean {
    const { stored, progress } = this;
    if (stored.outcome !== undefined) this.apply(ENDED_BY[stored.outcome]);
    else if (stored.stopAsked) {
      const message = `cancelled after ledger ${progress.checkpoint.position.ledger - 1}`;
      this.apply("stopAsked", { outcome: "cancelled", message });
    } else if (progress.complete) {
      this.apply("completed", { outcome: "completed", message: `completed at ledger ${stored.request.ledgerEnd}` });
    }
    return isEnded(this.state);
  }

  /**
   * The only place that writes the state. Where an event ends the session, the outcome is on record before the state is
   * seen.
   * @param ending absent where the event does not end the session, or the record has its outcome already
   */
  private apply(event: SessionEvent, ending?: Ending): void {
    const state = nextState(this.current, event);
    if (state === this.current) return;
    if (ending !== undefined) writeEnding(this, this.host, ending, this.error);
    this.current = state;
    this.progress.stream?.cell.set("updatedUnixMs", Date.now());
    this.host.watchers.tell(this.snapshot(), "state");
  }

  /** Changes the record, on disk first. @throws CodedError UNAVAILABLE, with nothing changed */
  private update(change: Partial<StoredSession>): void {
    const record = { ...this.stored, ...change };
    this.host.store.commit([{ put: "session", id: this.id, record }]);
    Object.assign(this.stored, change);
  }

  /** Plans that the session resumes itself. */
  planResume(): void {
    this.selfResume.plan(this.progress.counter("ledgerCurrent"));
  }

  private async resumeByItself(): Promise<void> {
    const { host, id } = this;
    const isWanted = () => !host.closing && host.has(id);
    if (!isWanted() || (this.state !== "ERROR" && this.state !== "UNKNOWN")) return;
    try {
      await this.resume();
    } catch (thrown) {
      if (!isWanted()) return;
      if (this.state === "UNKNOWN") this.stored.message = `waits for its source: ${CodedError.from(thrown).message}`;
      host.log.warn("a session could not be resumed", this, { error: thrown });
      throw thrown;
    }
  }
}
