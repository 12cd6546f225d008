/**
 * One client's way through a session: every row from its position on, once and in order, wherever that lies.
 *
 * | where the position is             | what serves it                                                     |
 * |-----------------------------------|--------------------------------------------------------------------|
 * | before what is retained           | the source, read again up to there; then the retained batches      |
 * | inside a retained batch           | the source, read again up to that batch's end; then the next batch |
 * | inside a ledger, between batches  | the source, read again up to that ledger's end; then the next batch |
 * | at the start of a retained batch  | the retained batches                                               |
 * | after everything that is there    | batches to come, without the rows before the position              |
 *
 * While a client catches up, its session goes on for the others and never waits for it. What the session retains may
 * have moved on by the time that the client gets there, so it catches up again, then not only to the oldest retained
 * batch but to the newest: it gets there in the end, at the tip or at the session's end at the latest.
 */
import { CodedError } from "../error.ts";
import { comparePositions } from "../threads/cursor.ts";
import type { Position } from "../vocabulary/position.ts";
import type { Feed } from "./feed.ts";
import type { Hub } from "./hub.ts";
import type { MainThread } from "./main-thread-client.ts";
import { RangeFeed } from "./range-feed.ts";
import type { Slot } from "./slot.ts";
import type { StreamReader } from "./stream-log.ts";
import type { StreamPart } from "./stream-part.ts";

/** Where to begin; "oldest" is the oldest batch that is retained while the session runs, "start" its first ledger. */
export type SessionFrom = "oldest" | "start" | "now" | Position;

/**
 * The batches of a session from a client's cursor on: a catch-up from the source where they are no longer held, then
 * the session's own.
 */
export class SessionFeed implements Feed {
  position: Position;
  private reader: StreamReader | undefined;
  private range: { feed: RangeFeed; end: Position } | undefined;
  /** A batch that follows what is being caught up with. */
  private after: Slot | undefined;
  private rounds = 0;
  private closed = false;
  private ended: CodedError | undefined;
  private readonly endedController = new AbortController();

  /** @throws CodedError INVALID_ARGUMENT / CURSOR_BEFORE_SESSION, CURSOR_AFTER_SESSION; OUT_OF_RANGE / CURSOR_NOT_RETAINED */
  constructor(
    readonly stream: StreamPart,
    from: SessionFrom,
    private readonly hub: Hub,
    private readonly main: MainThread,
    private readonly nowMs: () => number,
  ) {
    const { log, opening } = stream;
    const start: Position = { ledger: opening.ledgerStart, row: 0 };
    if (from === "oldest") this.position = this.beginning(start);
    else if (from === "now") this.position = log.endPosition;
    else this.position = from === "start" ? start : from;
    if (comparePositions(this.position, start) < 0) {
      throw new CodedError(
        "INVALID_ARGUMENT",
        "CURSOR_BEFORE_SESSION",
        `the cursor is at ledger ${this.position.ledger}, and session ${opening.id} starts at ledger ${opening.ledgerStart}: read earlier ledgers with a range ticket`,
      );
    }
    const { ledgerEnd } = opening;
    if (ledgerEnd !== 0 && comparePositions(this.position, { ledger: ledgerEnd + 1, row: 0 }) > 0) {
      throw new CodedError(
        "INVALID_ARGUMENT",
        "CURSOR_AFTER_SESSION",
        `the cursor is at ledger ${this.position.ledger}, and session ${opening.id} ends with ledger ${ledgerEnd}: use the session that it came from`,
      );
    }
    if (comparePositions(this.position, log.startPosition) >= 0) this.join();
  }

  /**
   * Where a reader begins that names no place: at the oldest batch that is retained; in a session that is over, whose batches
   * make room for those of others, at its first ledger, so that nobody takes what is left for all of it.
   */
  private beginning(start: Position): Position {
    const { log, opening } = this.stream;
    if (log.ending === undefined || comparePositions(log.startPosition, start) <= 0) return log.startPosition;
    if (opening.seekable) return start;
    if (log.ending.error !== undefined || comparePositions(log.startPosition, log.endPosition) < 0) {
      return log.startPosition; // what is left is given, then the error
    }
    throw new CodedError(
      "OUT_OF_RANGE",
      "CURSOR_NOT_RETAINED",
      `session ${opening.id} is over, its batches are no longer held, and its source cannot be read again`,
    );
  }

  get mode(): "catchingUp" | "following" {
    return this.range === undefined && this.reader !== undefined ? "following" : "catchingUp";
  }

  get lag(): { batches: number; bytes: number } {
    return this.reader?.lag ?? this.range?.feed.lag ?? { batches: 0, bytes: 0 };
  }

  get endedSignal(): AbortSignal {
    return this.endedController.signal;
  }

  get endedError(): CodedError | undefined {
    return this.ended;
  }

  async next(): Promise<Slot | undefined> {
    while (!this.closed) {
      if (this.ended !== undefined) throw this.ended;
      if (this.range !== undefined) {
        const slot = await this.nextOfRange();
        if (slot !== undefined) return slot;
        continue;
      }
      if (this.reader === undefined) {
        await this.approach();
        continue;
      }
      const slot = this.after ?? (await this.reader.next(this.nowMs));
      this.after = undefined;
      if (slot === undefined) return undefined;
      let keep = false;
      try {
        keep = await this.fits(slot);
      } finally {
        if (!keep) slot.release();
      }
      if (keep && this.range === undefined) {
        this.position = slot.record.next;
        return slot;
      }
      if (keep) this.after = slot;
    }
    return undefined;
  }

  /**
   * Where others read the session too, and its source can be read again, they do not wait for this client: it leaves the
   * retained batches, and goes on from the source if they are gone by then.
   */
  paced(isWaiting: boolean): void {
    const { reader } = this;
    if (reader === undefined) return;
    if (isWaiting && this.stream.opening.seekable && this.stream.log.readerCount > 1) {
      reader.leave();
      this.reader = undefined;
      this.after?.release(); // it is found again by its position
      this.after = undefined;
      return;
    }
    reader.isPaced = isWaiting;
    reader.advancedAtMs = this.nowMs();
  }

  end(error: CodedError): void {
    this.ended ??= error;
    this.endedController.abort();
    this.reader?.end(error);
    this.range?.feed.end(error);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.reader?.leave();
    this.range?.feed.close();
    this.after?.release();
    this.after = undefined;
  }

  /** Whether the slot is to be given out, now or (when a range has been opened) after that. */
  private async fits({ start, record }: Slot): Promise<boolean> {
    const { position } = this;
    if (comparePositions(record.next, position) <= 0) return false;
    if (comparePositions(start, position) > 0) {
      if (record.rows > 0) await this.catchUp(start);
      return true;
    }
    if (comparePositions(start, position) === 0) return true;
    // A batch has no rows before its first ledger, and one without rows only says how far the session is.
    const isBeforeRows = record.rows === 0 || position.ledger < record.ledgerFirst;
    if (position.row === 0 && (isBeforeRows || position.ledger === record.ledgerFirst)) return true;
    if (!isBeforeRows) {
      await this.catchUp(record.next);
      return false;
    }
    // Nothing is missing, unless the ledger has no such place: only the ledger itself tells.
    if (this.stream.opening.seekable) await this.catchUp({ ledger: position.ledger + 1, row: 0 });
    return true;
  }

  private async nextOfRange(): Promise<Slot | undefined> {
    const { feed, end } = this.range!;
    const slot = await feed.next();
    if (slot !== undefined) {
      this.position = slot.record.next;
      return slot;
    }
    if (this.closed) return undefined;
    feed.close();
    this.range = undefined;
    this.position = end;
    return undefined;
  }

  /** Gets to the retained batches, or opens the range that leads there. */
  private async approach(): Promise<void> {
    const { log } = this.stream;
    if (comparePositions(this.position, log.startPosition) >= 0) {
      this.join();
      return;
    }
    const again = this.rounds++ > 0 && log.ending === undefined;
    await this.catchUp(again ? log.endPosition : log.startPosition);
  }

  private join(): void {
    this.follow(this.stream.log.joinAt(this.position, this.nowMs()));
  }

  /** The log may end its reader for being slow, also while the client is still catching up. */
  private follow(reader: StreamReader): void {
    this.reader = reader;
    reader.endedSignal.addEventListener("abort", () => this.end(reader.endedError!), { once: true });
  }

  private async catchUp(end: Position): Promise<void> {
    const { hub, main, stream, position, nowMs } = this;
    const feed = await RangeFeed.openCatchUp(hub, main, stream, position, end, nowMs);
    this.range = { feed, end };
    if (this.closed) feed.close();
    if (this.ended !== undefined) feed.end(this.ended);
  }
}
