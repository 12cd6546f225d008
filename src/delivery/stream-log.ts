/**
 * The finished batches of one stream, in order, and the readers that follow them.
 *
 * ```
 *        first                    floor                     end
 *          │ consumed by everybody  │ somebody still needs    │
 *   ───────┴────────────────────────┴─────────────────────────┴──▶ batch number
 *   evicted│◀────────────── retained slots ──────────────────▶│
 * ```
 *
 * - Every reader sees every batch from the number at which it joined.
 * - `floor` is the slowest reader's number; with no reader it is where the last one left (or the start), so that a
 *   stream without clients waits for one instead of losing batches. Only where other partitions of the stream wait
 *   for it, and what it lets go can be read again, it goes on without one (`leaveUnattended`).
 * - The stream is *full* when what lies between floor and end reaches the slot or byte limit. A full stream closes the gate
 *   to its source. Consumed slots stay, up to the same limits, for those who come late or come back.
 */
import { CodedError } from "../error.ts";
import { comparePositions } from "../threads/cursor.ts";
import type { Position } from "../vocabulary/position.ts";
import type { Slot } from "./slot.ts";

/** What a stream's log may hold. */
export interface LogLimits {
  /** CHANNEL_BUFFER_SIZE: batches held back for the slowest reader. */
  slotsMax: number;
  /** Their memory, and that of the consumed ones which are kept. It may change: then call `moved`. */
  readonly retainedBytesMax: number;
}

/** One client's place in a stream's log. */
export class StreamReader {
  /** Number of the batch that comes next. */
  position: number;
  /** When it last took a batch, monotonic milliseconds. */
  advancedAtMs: number;
  /** How long it has held a full stream back, less the time since. */
  heldBackMs = 0;
  /** Its client waits since its name may be sent no more for now: it is not slow meanwhile. */
  isPaced = false;
  private wake: (() => void) | undefined;
  private ended: CodedError | undefined;
  private readonly endedController = new AbortController();
  private left = false;

  constructor(
    private readonly log: StreamLog,
    position: number,
    nowMs: number,
  ) {
    this.position = position;
    this.advancedAtMs = nowMs;
  }

  /**
   * The next batch, held for the caller (`slot.release()` when done); undefined at the end of the stream.
   * @throws CodedError of the stream, or of this reader when it was ended for being slow
   */
  async next(nowMs: () => number): Promise<Slot | undefined> {
    for (;;) {
      if (this.ended !== undefined) throw this.ended;
      if (this.left) return undefined;
      const slot = this.log.at(this.position);
      if (slot !== undefined) {
        slot.hold();
        this.position += 1;
        this.advancedAtMs = nowMs();
        this.log.moved();
        return slot;
      }
      const end = this.log.ending;
      if (end !== undefined) {
        if (end.error !== undefined) throw end.error;
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** Batches and bytes that are there for this reader and that it has not taken. */
  get lag(): { batches: number; bytes: number } {
    let bytes = 0;
    for (let number = this.position; number < this.log.endNumber; number++) bytes += this.log.at(number)!.bytes;
    return { batches: this.log.endNumber - this.position, bytes };
  }

  /** Where this reader would go on. */
  get resumeAt(): Position {
    return this.log.positionBefore(this.position);
  }

  notify(): void {
    const wake = this.wake;
    this.wake = undefined;
    wake?.();
  }

  /** Aborts when this reader is ended, so that a write under way stops waiting for its client. */
  get endedSignal(): AbortSignal {
    return this.endedController.signal;
  }

  /** Why it was ended, if it was. */
  get endedError(): CodedError | undefined {
    return this.ended;
  }

  /** Ends this reader alone. */
  end(error: CodedError): void {
    this.ended = error;
    this.endedController.abort();
    this.notify();
  }

  leave(): void {
    if (this.left) return;
    this.left = true;
    this.log.remove(this);
    this.notify();
  }
}

/** The retained slots of one stream or partition, shared by all its readers. */
export class StreamLog {
  private readonly slots: Slot[] = [];
  private firstNumber = 0;
  private floor = 0;
  private readonly readers = new Set<StreamReader>();
  private bytes = 0;
  /** Bytes of the slots from the floor on. */
  private held = 0;
  private done: { error?: CodedError } | undefined;
  private start: Position;
  /** No batches are kept for those who come late. */
  private retired = false;
  /** Nobody reads it, and the others have waited for somebody long enough. */
  private unattended = false;
  /** How long it has held the other partitions back with no reader, less the time since. */
  private unreadMs = 0;
  /** When slow readers were last looked for. */
  private checkedAtMs: number | undefined;
  /** Since when the same batch holds others back. */
  private hold: { floor: number; sinceMs: number } | undefined;
  private holdMsMax = 0;

  /**
   * @param start where the first batch begins
   * @param changed called when fullness or the number of readers may have changed
   */
  constructor(
    start: Position,
    private readonly limits: LogLimits,
    private readonly changed: () => void,
  ) {
    this.start = start;
  }

  get ending(): { error?: CodedError } | undefined {
    return this.done;
  }

  get endNumber(): number {
    return this.firstNumber + this.slots.length;
  }

  /** Where the oldest retained batch begins. */
  get startPosition(): Position {
    return this.start;
  }

  /** Where the next batch will begin. */
  get endPosition(): Position {
    return this.positionBefore(this.endNumber);
  }

  get readerCount(): number {
    return this.readers.size;
  }

  get retainedBytes(): number {
    return this.bytes;
  }

  /** Bytes of the retained slots that some reader still needs. */
  get heldBytes(): number {
    return this.held;
  }

  /** The longest that one batch not taken has made a reader wait which had taken all others, as looked for slow ones. */
  get heldBackMsMax(): number {
    return this.holdMsMax;
  }

  get heldBatches(): number {
    return this.endNumber - this.floor;
  }

  at(number: number): Slot | undefined {
    return this.slots[number - this.firstNumber];
  }

  /** True when the batches that somebody still needs have reached a limit. */
  get full(): boolean {
    return this.endNumber - this.floor >= this.limits.slotsMax || this.held >= this.limits.retainedBytesMax;
  }

  append(slot: Slot): void {
    if (this.done !== undefined) throw new Error("append to a stream that has ended");
    this.dropUnreadProgress(slot);
    slot.start = this.endPosition;
    this.slots.push(slot);
    this.bytes += slot.bytes;
    this.held += slot.bytes;
    if (this.unattended) this.moveFloor(this.endNumber);
    this.evict();
    for (const reader of this.readers) reader.notify();
    this.changed();
  }

  /** No more batches: readers get what is there, then the end (or the error). */
  finish(error?: CodedError): void {
    if (this.done !== undefined) return;
    this.done = error === undefined ? {} : { error };
    for (const reader of this.readers) reader.notify();
    this.changed();
  }

  /** Lets go of what no reader needs; positions stay known. For a stream that is over. */
  retire(): void {
    this.retired = true;
    if (this.readers.size === 0) this.moveFloor(this.endNumber);
    this.evict();
    this.changed();
  }

  /** A reader from the oldest retained batch on. */
  join(nowMs: number): StreamReader {
    return this.add(this.firstNumber, nowMs);
  }

  /** A reader that gets only what is still to come. */
  joinEnd(nowMs: number): StreamReader {
    return this.add(this.endNumber, nowMs);
  }

  /**
   * A reader from a cursor on.
   * @throws CodedError OUT_OF_RANGE when that is older than what is retained, or lies between two batches' ends
   */
  joinAt(position: Position, nowMs: number): StreamReader {
    if (comparePositions(position, this.start) < 0) {
      throw new CodedError(
        "OUT_OF_RANGE",
        "CURSOR_NOT_RETAINED",
        `the batches from ledger ${position.ledger} row ${position.row} are no longer held; the oldest begins at ledger ${this.start.ledger} row ${this.start.row}`,
      );
    }
    let number = this.firstNumber;
    for (const slot of this.slots) {
      if (comparePositions(slot.record.next, position) > 0) break;
      number += 1;
    }
    return this.add(number, nowMs);
  }

  /** Where the batch of that number begins. */
  positionBefore(number: number): Position {
    const before = this.at(number - 1);
    return before === undefined ? this.start : before.record.next;
  }

  /** A reader has gone on, or a limit has changed. */
  moved(): void {
    this.evict();
    this.changed();
  }

  remove(reader: StreamReader): void {
    this.readers.delete(reader);
    this.unreadMs = reader.heldBackMs; // the others have waited for it so long already
    if (this.readers.size === 0) this.moveFloor(Math.max(this.floor, reader.position));
    this.evict();
    this.changed();
  }

  /**
   * Readers that hold a full stream back for longer than the grace, while another has read everything: those that took
   * nothing for so long, and those that take a batch now and then, so that the others wait on and on. The time counts
   * up while a reader holds the stream back and down while it does not. Call this a few times a grace period.
   * @param graceMs SLOW_CLIENT_GRACE
   * @param othersWait whether a reader of another partition of the stream has read everything: it waits for this one too
   */
  slowReaders(nowMs: number, graceMs: number, othersWait = false): StreamReader[] {
    const elapsedMs = nowMs - (this.checkedAtMs ?? nowMs);
    this.checkedAtMs = nowMs;
    const waits = othersWait || (this.readers.size > 1 && this.hasWaitingReader);
    const held = waits && this.full;
    if (!held) this.hold = undefined;
    else if (this.hold?.floor !== this.floor) this.hold = { floor: this.floor, sinceMs: nowMs };
    else this.holdMsMax = Math.max(this.holdMsMax, nowMs - this.hold.sinceMs);
    const slow: StreamReader[] = [];
    for (const reader of this.readers) {
      const holds = held && !reader.isPaced && reader.position === this.floor;
      reader.heldBackMs = Math.max(0, reader.heldBackMs + (holds ? elapsedMs : -elapsedMs));
      if (holds && (nowMs - reader.advancedAtMs > graceMs || reader.heldBackMs > graceMs)) slow.push(reader);
    }
    this.unreadMs = Math.max(0, this.unreadMs + (held && this.readers.size === 0 ? elapsedMs : -elapsedMs));
    return slow;
  }

  /** Whether some reader has taken all that is there. */
  get hasWaitingReader(): boolean {
    for (const reader of this.readers) if (reader.position === this.endNumber) return true;
    return false;
  }

  /** How long it has held other partitions back while nobody read it. */
  get unreadHeldMs(): number {
    return this.readers.size === 0 ? this.unreadMs : 0;
  }

  /** With no reader it holds nothing back any more, until one comes. */
  leaveUnattended(): void {
    if (this.readers.size > 0) return;
    this.unattended = true;
    this.moveFloor(this.endNumber);
    this.moved();
  }

  /** Ends the readers that have not had everything; for a stream that is over and whose batches are given up. */
  cut(error: CodedError): void {
    for (const reader of this.readers) if (reader.position < this.endNumber) reader.end(error);
  }

  /** Lets every slot go; for a stream that is thrown away. */
  dispose(): void {
    for (const slot of this.slots) slot.release();
    this.start = this.positionBefore(this.endNumber);
    this.firstNumber = this.endNumber;
    this.slots.length = 0;
    this.bytes = 0;
    this.held = 0;
    this.floor = this.endNumber;
  }

  private add(number: number, nowMs: number): StreamReader {
    const reader = new StreamReader(this, number, nowMs);
    this.readers.add(reader);
    this.unattended = false;
    this.unreadMs = 0;
    this.evict(); // where it begins decides what is held back
    this.changed();
    return reader;
  }

  private moveFloor(floor: number): void {
    while (this.floor < floor) this.held -= this.at(this.floor++)!.bytes;
    // a reader of a stream that was thrown away may stand before all that is left
    while (this.floor > Math.max(floor, this.firstNumber)) this.held += this.at(--this.floor)!.bytes;
  }

  /**
   * A batch of no rows at the end that nobody has taken yet says nothing that the next one does not say as well: so
   * progress fills no slots, however long nobody reads.
   */
  private dropUnreadProgress(next: Slot): void {
    const last = this.slots.at(-1);
    if (last === undefined || last.record.rows > 0 || next.record.rows > 0) return;
    for (const reader of this.readers) if (reader.position === this.endNumber) return;
    if (this.floor === this.endNumber) return;
    this.slots.pop();
    this.bytes -= last.bytes;
    this.held -= last.bytes;
    last.release();
  }

  private evict(): void {
    if (this.readers.size > 0) {
      let lowest = this.endNumber;
      for (const reader of this.readers) lowest = Math.min(lowest, reader.position);
      this.moveFloor(lowest);
    }
    while (
      this.firstNumber < this.floor &&
      (this.retired || this.slots.length > this.limits.slotsMax || this.bytes > this.limits.retainedBytesMax)
    ) {
      const slot = this.slots.shift()!;
      this.start = slot.record.next;
      this.bytes -= slot.bytes;
      this.firstNumber += 1;
      slot.release();
    }
  }
}
