/** What clients are shown of a session: plain values, read from its record and its counters. */
import { waitSentence } from "../engine/source-patience.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";
import { partNames } from "../vocabulary/stream-part.ts";
import type { SessionProgress } from "./session-progress.ts";
import type { PartSnapshot, SessionSnapshot, SessionState } from "./session-service.ts";
import { isActive } from "./states.ts";
import type { StoredSession } from "./store.ts";
import { waitsForReader } from "./waits-for-reader.ts";

/** What a snapshot is made from. */
interface ShownSession {
  readonly state: SessionState;
  readonly stored: StoredSession;
  readonly progress: SessionProgress;
  /** The description of its source, for people. */
  readonly sourceShown: string;
  /** The newest ledger of its source; 0 where that is not known. */
  readonly ledgerTip: number;
  /** When the session is resumed by itself; 0 = it is not. */
  readonly resumesAtUnixMs: number;
}

/**
 * The session as it is now; costs no more than reading counters.
 * @param nowMs monotonic, @param nowUnixMs the same moment by the clock
 */
export function snapshotOf(session: ShownSession, nowMs: number, nowUnixMs: number): SessionSnapshot {
  const { state, stored, progress } = session;
  const { stream } = progress;
  // The ledger first: the data plane moves it on after it has counted what is in it.
  const ledgerCurrent = progress.counter("ledgerCurrent");
  const rows = progress.counter("rows");
  const activeMs = progress.activeMs(nowMs);
  const closedAt = progress.counter("closedAtUnixSeconds");
  return {
    id: stored.id,
    state,
    request: stored.request,
    source: session.sourceShown,
    ledgerCurrent,
    entriesProcessed: rows,
    entriesSkipped: progress.counter("rowsFiltered"),
    ledgersProcessed: progress.counter("ledgers"),
    batchesCreated: progress.counter("batches"),
    bytesProcessed: progress.counter("xdrBytes"),
    batchBytes: progress.counter("batchBytes"),
    errors: progress.counter("errors"),
    ledgersSkipped: progress.counter("ledgersSkipped"),
    ratePerSecond: isActive(state) && stream !== undefined ? progress.ratePerSecond(rows, nowMs) : 0,
    rateOverall: activeMs > 0 ? (rows * 1000) / activeMs : 0,
    ledgerTip: session.ledgerTip,
    lagSeconds: closedAt === 0 ? 0 : Math.max(0, nowUnixMs / 1000 - closedAt),
    clients: stream?.cell.get("clients") ?? 0,
    rowsDelivered: progress.counter("rowsSent"),
    bytesDelivered: progress.counter("bytesSent"),
    retainedBytes: stream?.cell.get("retainedBytes") ?? 0,
    partitions: partSnapshots(session, ledgerCurrent),
    createdUnixMs: stored.createdUnixMs,
    startedUnixMs: stored.startedUnixMs,
    updatedUnixMs: Math.max(progress.counter("updatedUnixMs"), stored.createdUnixMs, stored.endedUnixMs),
    endedUnixMs: stored.endedUnixMs,
    activeMs,
    resumes: stored.resumes,
    message: messageOf(session, nowUnixMs),
    sourceWait: sourceWait(progress),
    skippedLast: progress.skippedLast,
    error: stored.error,
  };
}

function sourceWait({ stream }: SessionProgress): SessionSnapshot["sourceWait"] {
  const wait = stream?.sourceWait;
  return wait && { ...wait, error: wait.error.toRecord() };
}

function messageOf({ state, stored, progress, resumesAtUnixMs }: ShownSession, nowUnixMs: number): string {
  const { stream, skippedLast } = progress;
  const wait = stream?.sourceWait;
  const skipped = progress.counter("ledgersSkipped");
  const unread = state === "RUNNING" && stream !== undefined ? waitsForReader(stream) : undefined;
  const parts = [unread ?? stored.message, wait === undefined ? "" : waitSentence(wait, nowUnixMs)];
  if (resumesAtUnixMs > 0) {
    const seconds = Math.max(0, Math.ceil((resumesAtUnixMs - nowUnixMs) / 1000));
    parts.push(`it is resumed by itself in ${seconds} s`);
  }
  if (skipped > 0) {
    const last = skippedLast === undefined ? "" : `, the last one for this: ${skippedLast.error.message}`;
    parts.push(`${skipped === 1 ? "1 ledger was" : `${skipped} ledgers were`} skipped (ON_ERROR=skip)${last}`);
  }
  return parts.filter((part) => part !== "").join("; ");
}

function partSnapshots({ stored, progress }: ShownSession, ledgerOfSession: number): PartSnapshot[] | undefined {
  const names = partNames(stored.request);
  return progress.parts?.map((counted, number) => {
    const cell = progress.stream?.cell.part(number);
    const { dataset = DATASET_DEFAULT, partition } = names[number]!;
    return {
      dataset,
      index: partition?.index ?? 0,
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
