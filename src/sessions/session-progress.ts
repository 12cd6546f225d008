/**
 * How far a session has come: its counters, its checkpoint, its reservation and the assets that it has learned, over
 * its whole life. The checkpoint has the counters up to itself; the stream that works now counts from there on.
 */

import type { AssetTable } from "../engine/asset-table.ts";
import type { EngineStream } from "../engine/engine-stream.ts";
import type { CodedError } from "../error.ts";
import type { Counter } from "../threads/stream-cell.ts";
import type { Position } from "../vocabulary/position.ts";
import { partCount } from "../vocabulary/stream-part.ts";
import type { AssetRecord, LedgerSkip } from "../workers/records.ts";
import { Rate } from "./rate.ts";
import type { SessionRequest } from "./session-service.ts";
import type { StoredCheckpoint } from "./store.ts";

/** Counters that are summed over a session's streams. */
const SUMMED = [
  "ledgers",
  "ledgersSkipped",
  "rows",
  "rowsFiltered",
  "batches",
  "xdrBytes",
  "batchBytes",
  "errors",
  "rowsSent",
  "bytesSent",
] as const satisfies readonly Counter[];
/** Gauges: the latest value wins; they are never summed. */
const NEWEST = ["ledgerCurrent", "closedAtUnixSeconds", "updatedUnixMs"] as const satisfies readonly Counter[];
/** Counters that belong to no span: what clients have received, and errors that end a stream between two spans. */
const LIVE: readonly Counter[] = ["rowsSent", "bytesSent", "errors"];

/** Counters that each part has for itself. */
const OF_PART = ["rows", "batches", "batchBytes", "rowsSent", "bytesSent"] as const satisfies readonly Counter[];

/** Counters that the server sums over all sessions, since the process began. */
const TOTALLED = ["rows", "rowsFiltered", "batches", "xdrBytes", "errors", "ledgersSkipped"] as const;

/** Counters that the server sums over all sessions; each counts what this process has done, without earlier ones. */
export type ProcessCounters = Record<(typeof TOTALLED)[number], number>;

/** The counters of a process that has done nothing yet. */
export function noCounters(): ProcessCounters {
  return { rows: 0, rowsFiltered: 0, batches: 0, xdrBytes: 0, errors: 0, ledgersSkipped: 0 };
}

/** Adds `more` to `totals`. */
export function addCounters(totals: ProcessCounters, more: ProcessCounters): void {
  for (const name of TOTALLED) totals[name] += more[name];
}

const RESERVE_BURST_MS = 100; // reservations that come faster than this are made larger
const RESERVE_LEDGERS_MIN = 64; // one span
const RESERVE_LEDGERS_MAX = 65_536; // a minute of the fastest replay

/** The progress of one session. Times are monotonic milliseconds unless a name says otherwise. */
export class SessionProgress {
  /** The last ledger that was skipped (ON_ERROR=skip), and why. */
  skippedLast: LedgerSkip | undefined;
  private floor: number;
  private current: EngineStream | undefined;
  private rate = new Rate();
  /** Counters of the streams before the present one. */
  private base: Record<string, number>;
  private baseParts: readonly Record<string, number>[];
  /** What streams of this process that are no longer held have counted, so that totals never fall. */
  private readonly released = noCounters();
  /** `mark` at the last checkpoint, and when the watchers were told last. */
  private markSaved = "";
  private markTold = "";
  /** How often the present stream was ended on purpose, with an error for its clients. */
  private ownEndings = 0;
  /** How many of `assets` the store has. */
  private assetsSaved: number;
  private openedMs = 0;
  private reservedMs = Number.NEGATIVE_INFINITY;
  private reservedAhead = 0;

  /**
   * @param checkpoint where the session goes on
   * @param reservedTo no ledger above was ever given to a worker
   * @param assets what the session knows, as far as the store has it; its streams add to it
   * @param assetParts records of learned assets that the store has
   */
  constructor(
    private readonly request: SessionRequest,
    public checkpoint: StoredCheckpoint,
    private reservedTo: number,
    readonly assets: AssetTable,
    private assetParts = 0,
  ) {
    this.assetsSaved = assets.records.length;
    this.base = checkpoint.counters;
    this.baseParts = checkpoint.partitions ?? [];
    this.skippedLast = checkpoint.skippedLast;
    this.floor = reservedTo + 1;
  }

  /** The stream that works for the session, or that answers its clients after the end; undefined before the first. */
  get stream(): EngineStream | undefined {
    return this.current;
  }

  /** Filters may change from this ledger on: ledgers below it may have been delivered already. */
  get filterFloor(): number {
    return this.floor;
  }

  /** The session goes on from its checkpoint: what was reserved before may have been delivered. */
  raiseFilterFloor(): void {
    this.floor = this.reservedTo + 1;
  }

  /** Whether all ledgers of the request are behind the checkpoint. */
  get complete(): boolean {
    const { ledgerEnd } = this.request;
    return ledgerEnd !== 0 && this.checkpoint.position.ledger > ledgerEnd;
  }

  /**
   * A stream begins at the checkpoint.
   * @param nowMs 0 for a stream that is finished already and does no work
   */
  opened(stream: EngineStream, nowMs: number): void {
    this.base = this.checkpoint.counters;
    this.baseParts = this.checkpoint.partitions ?? [];
    this.current = stream;
    this.openedMs = nowMs;
    this.markSaved = "";
    this.ownEndings = 0;
    this.rate = new Rate(nowMs, this.counter("rows"));
  }

  /** The stream does no more work; its counters stay. */
  rested(nowMs: number): void {
    this.checkpoint = { ...this.checkpoint, activeMs: this.activeMs(nowMs) };
    this.openedMs = 0;
  }

  /** A counter over the session's whole life. */
  counter(name: Counter): number {
    const live = this.streamCounter(name);
    const base = this.base[name] ?? 0;
    return (NEWEST as readonly Counter[]).includes(name) ? Math.max(live, base) : live + base;
  }

  /** A counter of the present stream alone. */
  private streamCounter(name: Counter): number {
    const stream = this.current;
    if (stream === undefined) return 0;
    const value = stream.cell.get(name);
    if (name !== "errors") return value;
    // The data plane counts every error that ends a stream; an ending on purpose is no error.
    return stream.request.finished === undefined ? Math.max(0, value - this.ownEndings) : 0;
  }

  /** The present stream is ended on purpose, with an error for its clients that counts as none. */
  endsOnPurpose(): void {
    this.ownEndings += 1;
  }

  /** The data plane forgets the present stream and its batches; the session goes on counting from its checkpoint. */
  forget(why?: CodedError): void {
    const stream = this.current;
    if (stream === undefined) return;
    for (const name of TOTALLED) this.released[name] += this.streamCounter(name);
    this.current = undefined;
    stream.forget(why);
  }

  /** As `forget`, but what the stream has counted stays, over what the last checkpoint says. */
  drop(): void {
    const counters = Object.fromEntries(SUMMED.map((name) => [name, this.counter(name)]));
    const parts = this.partCounters((index, name) => this.partCounter(index, name));
    this.forget();
    this.base = { ...this.checkpoint.counters, ...counters };
    this.baseParts = parts ?? [];
  }

  /** What the session's streams have counted since the process began. */
  get processCounters(): ProcessCounters {
    const totals = { ...this.released };
    for (const name of TOTALLED) totals[name] += this.streamCounter(name);
    return totals;
  }

  /** The counters of each part over the session's whole life; undefined for a session that is read as one. */
  get parts() {
    return this.partCounters((index, name) => this.partCounter(index, name));
  }

  private partCounter(index: number, name: (typeof OF_PART)[number]): number {
    return (this.current?.cell.part(index).get(name) ?? 0) + (this.baseParts[index]?.[name] ?? 0);
  }

  /** The counters that `of` reads for each part; undefined for a session that is read as one. */
  private partCounters(of: (index: number, name: (typeof OF_PART)[number]) => number) {
    const length = partCount(this.request);
    if (length === 1) return undefined;
    return Array.from({ length }, (_, index) => Object.fromEntries(OF_PART.map((name) => [name, of(index, name)])));
  }

  /** How long the session has worked in all, in milliseconds. */
  activeMs(nowMs: number): number {
    return this.checkpoint.activeMs + (this.openedMs === 0 ? 0 : nowMs - this.openedMs);
  }

  /** Takes a sample for `ratePerSecond`. */
  sampleRate(nowMs: number): void {
    this.rate.sample(this.counter("rows"), nowMs);
  }

  /** Rows a second over the last seconds. */
  ratePerSecond(rows: number, nowMs: number): number {
    return this.rate.read(rows, nowMs);
  }

  /** A text that changes whenever there is something new to save or to tell. */
  private get mark(): string {
    const cell = this.current?.cell;
    return cell === undefined ? "" : `${cell.marks}/${cell.get("rows")}/${cell.get("rowsSent")}/${cell.get("clients")}`;
  }

  /** Whether something has happened since the last call that said so. */
  hasNews(): boolean {
    const { mark } = this;
    if (this.current === undefined || mark === this.markTold) return false;
    this.markTold = mark;
    return true;
  }

  /** A checkpoint where the session has moved since the last one that this made; undefined where it has not. */
  checkpointDue(nowMs: number, nowUnixMs: number): StoredCheckpoint | undefined {
    const { mark, checkpoint: before } = this;
    if (this.current === undefined || mark === this.markSaved) return undefined;
    const record = this.takeCheckpoint(nowMs, nowUnixMs);
    if (record === before) return undefined;
    this.markSaved = mark;
    return record;
  }

  /** The assets that the session has learned and the store has not, as the store's next record. */
  get unsavedAssets(): { part: number; learned: AssetRecord[] } | undefined {
    const learned = this.assets.records.slice(this.assetsSaved);
    return learned.length === 0 ? undefined : { part: this.assetParts, learned };
  }

  /** The store has `unsavedAssets` and the checkpoint beside it. Called in the turn of the event loop that wrote both. */
  savedAssets(): void {
    if (this.assets.records.length === this.assetsSaved) return;
    this.assetParts += 1;
    this.assetsSaved = this.assets.records.length;
  }

  /**
   * Moves the checkpoint behind the last span that is in order. The checkpoint stays where it was while the message
   * with the assets that this span has taught is still on its way.
   * @param nowMs for the time that the session has worked
   * @returns the checkpoint to save
   */
  takeCheckpoint(nowMs: number, nowUnixMs: number): StoredCheckpoint {
    const { current: stream, base } = this;
    if (stream === undefined || stream.request.finished !== undefined) return this.checkpoint;
    const marks = stream.cell.marksOfAll();
    const mark = marks?.[0];
    if (mark !== undefined && mark.learnedMessages > stream.learnedMessages) return this.checkpoint;
    const counters: Record<string, number> = { ...base };
    let position: Position = stream.request.start;
    for (const name of LIVE) counters[name] = this.counter(name);
    if (mark !== undefined) {
      for (const name of SUMMED) {
        if (!LIVE.includes(name)) counters[name] = (base[name] ?? 0) + mark[name];
      }
      for (const name of NEWEST) counters[name] = Math.max(base[name] ?? 0, mark[name]);
      if (mark.ledgerCurrent >= position.ledger) position = { ledger: mark.ledgerCurrent + 1, row: 0 };
    }
    const parts = this.partCounters((index, name) =>
      LIVE.includes(name)
        ? this.partCounter(index, name)
        : (marks?.[1 + index]?.[name] ?? 0) + (this.baseParts[index]?.[name] ?? 0),
    );
    const assetParts = this.assetParts + (this.assets.records.length > this.assetsSaved ? 1 : 0);
    const checkpoint = {
      ...{ position, savedUnixMs: nowUnixMs, counters, partitions: parts },
      ...{ activeMs: this.activeMs(nowMs), assetParts, skippedLast: this.skippedLast },
    };
    this.checkpoint = { ...checkpoint, activeMs: this.checkpoint.activeMs };
    return checkpoint;
  }

  /**
   * The last ledger that may be given to workers now: exactly `ledger` at the tip, more where ledgers come fast, so
   * that writing the reservation down costs nothing.
   */
  reserve(ledger: number, nowMs: number): number {
    const burst = nowMs - this.reservedMs < RESERVE_BURST_MS;
    this.reservedAhead = burst
      ? Math.min(RESERVE_LEDGERS_MAX, Math.max(RESERVE_LEDGERS_MIN, this.reservedAhead * 2))
      : 0;
    this.reservedMs = nowMs;
    // The reservation never moves back: clients may have what an earlier process gave out up to its own reservation.
    this.reservedTo = Math.max(this.reservedTo, ledger + this.reservedAhead);
    return this.reservedTo;
  }
}
