/**
 * One session as the manager holds it: what is on record, the stream that works for it now (if any), and its counters
 * over its whole life. The record's numbers are those of its last checkpoint; the stream's are counted from there.
 */

import type { AssetTable } from "../engine/asset-table.ts";
import { waitSentence } from "../engine/source-patience.ts";
import type { EngineStream } from "../engine/stream-engine.ts";
import type { CodedError } from "../error.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { Counter } from "../threads/stream-cell.ts";
import type { Position } from "../vocabulary/position.ts";
import type { AssetRecord, LedgerSkip } from "../workers/records.ts";
import { Rate } from "./rate.ts";
import type {
  Delivery,
  FilterHistoryStep,
  PartitionSnapshot,
  SessionDetails,
  SessionSnapshot,
  SessionState,
} from "./session-service.ts";
import { isActive } from "./states.ts";
import type { StoredCheckpoint, StoredSession } from "./store.ts";
import { waitsForReader } from "./waits-for-reader.ts";

/** Counters that a session's streams add up to. */
export const SUMMED = [
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
/** Those of which the newest counts. */
const NEWEST = ["ledgerCurrent", "closedAtUnixSeconds", "updatedUnixMs"] as const satisfies readonly Counter[];
/** Those that do not belong to a span: what clients have had, and errors that end a stream between two spans. */
const LIVE: readonly Counter[] = ["rowsSent", "bytesSent", "errors"];

/** Those that each partition has of its own. */
const OF_PARTITION = ["rows", "batches", "batchBytes", "rowsSent", "bytesSent"] as const satisfies readonly Counter[];

const RESERVE_BURST_MS = 100; // reservations that come faster than this are made larger
const RESERVE_LEDGERS_MIN = 64; // one span
const RESERVE_LEDGERS_MAX = 65_536; // a minute of the fastest replay

export class ManagedSession {
  state: SessionState = "UNKNOWN";
  stream: EngineStream | undefined;
  source: LedgerSource | undefined;
  /** Settles when a stop that is under way has taken effect. */
  rest: Promise<void> | undefined;
  /** Makes a stop that drains drop what is left instead, while one is under way. */
  cutShort: (() => void) | undefined;
  error: CodedError | undefined;
  rate = new Rate();
  /** Counters of the streams before the present one. */
  base: Record<string, number>;
  private basePartitions: readonly Record<string, number>[];
  /** Filters may change from this ledger on: what lies before may have been delivered already. */
  filterFloor: number;
  /** What the last checkpoint was made of. */
  savedAt = "";
  /** What was told last to those who watch. */
  toldAt = "";
  /** How often the present stream was ended on purpose, with an error for its clients. */
  ownEndings = 0;
  /** What clients had of earlier streams. */
  delivered: Delivery[] = [];
  /** The last ledger that was left out. */
  skippedLast: LedgerSkip | undefined;
  /** When it is resumed by itself (0 = it is not), and how often that was tried without getting past that ledger. */
  selfResume = { ledger: -1, tries: 0, atUnixMs: 0 };
  /** Whether the log says that it waits for its source. */
  waitLogged = false;
  /** How many of `assets` the store has. */
  private assetsSaved: number;
  private openedMs = 0;
  private reservedMs = Number.NEGATIVE_INFINITY;
  private reservedAhead = 0;

  constructor(
    readonly stored: StoredSession,
    readonly steps: FilterHistoryStep[],
    public checkpoint: StoredCheckpoint,
    /** No ledger above has ever been given to a worker. */
    public reservedTo: number,
    /** What it knows, as far as the store has it; its streams add to that. */
    readonly assets: AssetTable,
    /** Records of learned assets that the store has. */
    private assetParts = 0,
  ) {
    this.assetsSaved = assets.records.length;
    this.base = checkpoint.counters;
    this.basePartitions = checkpoint.partitions ?? [];
    this.skippedLast = checkpoint.skippedLast;
    this.filterFloor = reservedTo + 1;
  }

  get id(): string {
    return this.stored.id;
  }

  get complete(): boolean {
    const { ledgerEnd } = this.stored.request;
    return ledgerEnd !== 0 && this.checkpoint.position.ledger > ledgerEnd;
  }

  /** A stream begins to work at the checkpoint. */
  opened(stream: EngineStream, nowMs: number): void {
    this.base = this.checkpoint.counters;
    this.basePartitions = this.checkpoint.partitions ?? [];
    this.stream = stream;
    this.openedMs = nowMs;
    this.savedAt = "";
    this.waitLogged = false;
    this.ownEndings = 0;
    this.rate = new Rate(nowMs, this.counter("rows"));
  }

  /** The stream works no more; its counters stay. */
  rested(nowMs: number): void {
    this.checkpoint = { ...this.checkpoint, activeMs: this.activeMs(nowMs) };
    this.openedMs = 0;
  }

  /** Over the session's whole life. */
  counter(name: Counter): number {
    const live = this.streamCounter(name);
    const base = this.base[name] ?? 0;
    return (NEWEST as readonly Counter[]).includes(name) ? Math.max(live, base) : live + base;
  }

  /** Of the present stream alone. */
  streamCounter(name: Counter): number {
    const { stream } = this;
    if (stream === undefined) return 0;
    const value = stream.cell.get(name);
    if (name !== "errors") return value;
    // The data plane counts every error with which a stream ends; what we end it with is none.
    return stream.request.finished === undefined ? Math.max(0, value - this.ownEndings) : 0;
  }

  /** The stream is given up; what it has counted stays, over what the last checkpoint says. */
  drop(): void {
    const counters = Object.fromEntries(SUMMED.map((name) => [name, this.counter(name)]));
    const partitions = this.partitionCounters((index, name) => this.partitionCounter(index, name));
    this.stream = undefined;
    this.base = { ...this.checkpoint.counters, ...counters };
    this.basePartitions = partitions ?? [];
  }

  private partitionCounter(index: number, name: (typeof OF_PARTITION)[number]): number {
    return (this.stream?.cell.partition(index).get(name) ?? 0) + (this.basePartitions[index]?.[name] ?? 0);
  }

  /** For each partition its counters; undefined where there are none. */
  private partitionCounters(of: (index: number, name: (typeof OF_PARTITION)[number]) => number) {
    const { partitions: length } = this.stored.request;
    if (length === undefined) return undefined;
    return Array.from({ length }, (_, index) =>
      Object.fromEntries(OF_PARTITION.map((name) => [name, of(index, name)])),
    );
  }

  activeMs(nowMs: number): number {
    return this.checkpoint.activeMs + (this.openedMs === 0 ? 0 : nowMs - this.openedMs);
  }

  /** Changes whenever there is something new to save or to tell. */
  get progress(): string {
    const cell = this.stream?.cell;
    return cell === undefined ? "" : `${cell.marks}/${cell.get("rows")}/${cell.get("rowsSent")}/${cell.get("clients")}`;
  }

  /** What it has learned and the store has not, as the store's next record. */
  get unsavedAssets(): { part: number; learned: AssetRecord[] } | undefined {
    const learned = this.assets.records.slice(this.assetsSaved);
    return learned.length === 0 ? undefined : { part: this.assetParts, learned };
  }

  /** The store has that record, as well as the checkpoint that was written with it. Called without a turn between. */
  savedAssets(): void {
    if (this.assets.records.length === this.assetsSaved) return;
    this.assetParts += 1;
    this.assetsSaved = this.assets.records.length;
  }

  /**
   * Where the session stands: behind the last span that is in order. As it was, where a message with what such a span
   * has taught of assets is still on its way.
   * @param nowMs monotonic, for the time that it has worked
   */
  takeCheckpoint(nowMs: number, nowUnixMs: number): StoredCheckpoint {
    const { stream, base } = this;
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
    const partitions = this.partitionCounters((index, name) =>
      LIVE.includes(name)
        ? this.partitionCounter(index, name)
        : (marks?.[1 + index]?.[name] ?? 0) + (this.basePartitions[index]?.[name] ?? 0),
    );
    const assetParts = this.assetParts + (this.assets.records.length > this.assetsSaved ? 1 : 0);
    const checkpoint = {
      ...{ position, savedUnixMs: nowUnixMs, counters, partitions },
      ...{ activeMs: this.activeMs(nowMs), assetParts, skippedLast: this.skippedLast },
    };
    this.checkpoint = { ...checkpoint, activeMs: this.checkpoint.activeMs };
    return checkpoint;
  }

  /**
   * The last ledger that may be given to workers now: exactly what is asked at the tip, more where ledgers come fast, so
   * that writing it down costs nothing.
   */
  reserve(ledger: number, nowMs: number): number {
    const burst = nowMs - this.reservedMs < RESERVE_BURST_MS;
    this.reservedAhead = burst
      ? Math.min(RESERVE_LEDGERS_MAX, Math.max(RESERVE_LEDGERS_MIN, this.reservedAhead * 2))
      : 0;
    this.reservedMs = nowMs;
    // Never back: what an earlier process has given out, up to its reservation, may be with clients.
    this.reservedTo = Math.max(this.reservedTo, ledger + this.reservedAhead);
    return this.reservedTo;
  }

  snapshot(nowMs: number, nowUnixMs: number, ledgerTip: number): SessionSnapshot {
    const { stored, stream } = this;
    // The ledger first: the data plane moves it on after it has counted what is in it.
    const ledgerCurrent = this.counter("ledgerCurrent");
    const rows = this.counter("rows");
    const activeMs = this.activeMs(nowMs);
    const closedAt = this.counter("closedAtUnixSeconds");
    return {
      id: stored.id,
      state: this.state,
      request: stored.request,
      source: this.source?.description ?? stored.request.source ?? "",
      ledgerCurrent,
      entriesProcessed: rows,
      entriesSkipped: this.counter("rowsFiltered"),
      ledgersProcessed: this.counter("ledgers"),
      batchesCreated: this.counter("batches"),
      bytesProcessed: this.counter("xdrBytes"),
      batchBytes: this.counter("batchBytes"),
      errors: this.counter("errors"),
      ledgersSkipped: this.counter("ledgersSkipped"),
      ratePerSecond: isActive(this.state) && stream !== undefined ? this.rate.read(rows, nowMs) : 0,
      rateOverall: activeMs > 0 ? (rows * 1000) / activeMs : 0,
      ledgerTip,
      lagSeconds: closedAt === 0 ? 0 : Math.max(0, nowUnixMs / 1000 - closedAt),
      clients: stream?.cell.get("clients") ?? 0,
      rowsDelivered: this.counter("rowsSent"),
      bytesDelivered: this.counter("bytesSent"),
      retainedBytes: stream?.cell.get("retainedBytes") ?? 0,
      partitions: this.partitionSnapshots(ledgerCurrent),
      createdUnixMs: stored.createdUnixMs,
      startedUnixMs: stored.startedUnixMs,
      updatedUnixMs: Math.max(this.counter("updatedUnixMs"), stored.createdUnixMs, stored.endedUnixMs),
      endedUnixMs: stored.endedUnixMs,
      activeMs,
      resumes: stored.resumes,
      message: this.message(nowUnixMs),
      sourceWait: this.sourceWait(),
      skippedLast: this.skippedLast,
      error: stored.error,
    };
  }

  private sourceWait(): SessionSnapshot["sourceWait"] {
    const wait = this.stream?.sourceWait;
    return wait && { ...wait, error: wait.error.toRecord() };
  }

  private message(nowUnixMs: number): string {
    const { stored, skippedLast, stream } = this;
    const wait = stream?.sourceWait;
    const skipped = this.counter("ledgersSkipped");
    const unread = this.state === "RUNNING" && stream !== undefined ? waitsForReader(stream) : undefined;
    const parts = [unread ?? stored.message, wait === undefined ? "" : waitSentence(wait, nowUnixMs)];
    if (this.selfResume.atUnixMs > 0) {
      const seconds = Math.max(0, Math.ceil((this.selfResume.atUnixMs - nowUnixMs) / 1000));
      parts.push(`it is resumed by itself in ${seconds} s`);
    }
    if (skipped > 0) {
      const last = skippedLast === undefined ? "" : `, the last one for this: ${skippedLast.error.message}`;
      parts.push(`${skipped === 1 ? "1 ledger was" : `${skipped} ledgers were`} skipped (ON_ERROR=skip)${last}`);
    }
    return parts.filter((part) => part !== "").join("; ");
  }

  private partitionSnapshots(ledgerOfSession: number): PartitionSnapshot[] | undefined {
    const counters = this.partitionCounters((index, name) => this.partitionCounter(index, name));
    return counters?.map((counted, index) => {
      const cell = this.stream?.cell.partition(index);
      return {
        index,
        ledgerCurrent: Math.max(cell?.get("ledgerCurrent") ?? 0, ledgerOfSession),
        rows: counted.rows!,
        batches: counted.batches!,
        batchBytes: counted.batchBytes!,
        clients: cell?.get("clients") ?? 0,
        rowsDelivered: counted.rowsSent!,
        bytesDelivered: counted.bytesSent!,
        retainedBytes: cell?.get("retainedBytes") ?? 0,
      };
    });
  }

  details(snapshot: SessionSnapshot, deliveries: Delivery[]): SessionDetails {
    const { position, savedUnixMs } = this.checkpoint;
    return { ...snapshot, checkpoint: { position, savedUnixMs }, filterHistory: [...this.steps], deliveries };
  }
}
