/**
 * The newest ledgers of a stream, shared by all who read it.
 *
 *            oldest                     newest
 *     ───────[ n  n+1  n+2  n+3  n+4  n+5 ]◀── the stream
 *                 ▲              ▲          ▲
 *              a reader       another     a third waits
 *
 * Ledgers follow each other without a gap. One goes when there is no room for what comes and no reader has it before
 * itself; while one has, the stream waits.
 */
import { DroppedMemory } from "../../base/dropped-memory.ts";
import { freeBytes } from "../../base/free-bytes.ts";
import { settlesWithin } from "../../base/settles-within.ts";
import type { CodedError } from "../../error.ts";
import type { ComingRecord } from "./coming-record.ts";
import type { MetaLedger } from "./whole-ledgers.ts";

/** What a ledger costs beside its bytes: objects, and an entry of a table. It bounds the number of tiny ones. */
const LEDGER_OVERHEAD_BYTES = 512;

/** Someone who reads. */
interface WindowReader {
  /** The ledger that it needs next, or is at work on. */
  next: number;
}

/** Holds `bytesMax` at most, or one ledger that is larger by itself. */
export class LedgerWindow {
  private readonly ledgers = new Map<number, Uint8Array>();
  private readonly readers = new Set<WindowReader>();
  private bytes = 0;
  private readonly dropped = new DroppedMemory();
  /** Nobody has been given a ledger behind this one. */
  private handedOut = 0;
  private changed = Promise.withResolvers<void>();
  /** The last one that came, also where it had to make room for the next; undefined while none has. */
  newest: number | undefined;
  /** The one that comes, as long as it may become whole. */
  private begun: ComingRecord | undefined;
  /** Why the stream does not go on behind the newest, for readers that are there and need a ledger before `resumesAt`. */
  private fault: { error: CodedError; resumesAt: number } | undefined;

  constructor(private readonly bytesMax: number) {}

  /** The first one that is there, or that will come next. */
  get oldest(): number | undefined {
    return this.newest === undefined ? undefined : this.newest - this.ledgers.size + 1;
  }

  /** Undefined where it is not there. Its bytes stay as they are, for as long as somebody holds them. */
  get(sequence: number): Uint8Array | undefined {
    const bytes = this.ledgers.get(sequence);
    if (bytes !== undefined) this.handedOut = Math.max(this.handedOut, sequence);
    return bytes;
  }

  /** Why a reader that needs the ledger, which is not there, is to end. */
  faultOf(sequence: number): CodedError | undefined {
    return this.fault !== undefined && sequence < this.fault.resumesAt ? this.fault.error : undefined;
  }

  /** The ledger behind the newest has begun to come; undefined: none does. */
  begin(ledger: ComingRecord | undefined): void {
    this.begun = ledger;
    this.notify();
  }

  /** The ledger, where it is coming. Its bytes stay as they are where they have come. */
  coming(sequence: number): ComingRecord | undefined {
    const { begun } = this;
    if (begun?.sequence !== sequence || !begun.isComing) return undefined;
    this.handedOut = Math.max(this.handedOut, sequence);
    return begun;
  }

  /** Adds the ledger behind the newest, or any one to an empty window. There is room: `admit` has said so. */
  add({ sequence, bytes }: MetaLedger): void {
    this.begun = undefined;
    this.ledgers.set(sequence, bytes);
    this.bytes += bytes.length + LEDGER_OVERHEAD_BYTES;
    this.newest = sequence;
    this.notify();
  }

  /** Resolves when a ledger of that size has room, or the signal has aborted. Readers that are behind hold it up. */
  async admit(bytes: number, signal: AbortSignal): Promise<void> {
    while (this.ledgers.size > 0 && this.bytes + bytes + LEDGER_OVERHEAD_BYTES > this.bytesMax && !signal.aborted) {
      if (this.isNeeded((next) => next === this.oldest)) await this.changed.promise;
      else this.dropOldest();
    }
  }

  /**
   * The stream does not go on behind the newest ledger. Resolves when all readers have had what is there and then the
   * error; the window is empty then.
   * @param resumesAt the next ledger of the stream: readers that wait for it or a later one go on
   */
  async fail(error: CodedError, resumesAt: number, signal: AbortSignal): Promise<void> {
    this.fault = { error, resumesAt };
    this.begun = undefined;
    this.notify();
    while (this.isNeeded((next) => next < resumesAt) && !signal.aborted) await this.changed.promise;
    this.fault = undefined;
    this.ledgers.clear();
    this.bytes = 0;
    this.newest = undefined;
  }

  /** A reader that needs `next`; what it needs is not dropped until `leave`. */
  enter(next: number): WindowReader {
    const reader = { next };
    this.readers.add(reader);
    return reader;
  }

  leave(reader: WindowReader): void {
    this.readers.delete(reader);
    this.notify();
  }

  /** Resolves at the next change, or after so many milliseconds. */
  async change(msMax: number): Promise<void> {
    await settlesWithin(this.changed.promise, msMax);
  }

  /** Wakes all who wait. */
  notify(): void {
    this.changed.resolve();
    this.changed = Promise.withResolvers();
  }

  private isNeeded(by: (next: number) => boolean): boolean {
    return [...this.readers].some(({ next }) => by(next));
  }

  private dropOldest(): void {
    const oldest = this.oldest!;
    const bytes = this.ledgers.get(oldest)!;
    this.bytes -= bytes.length + LEDGER_OVERHEAD_BYTES;
    this.ledgers.delete(oldest);
    if (oldest > this.handedOut) freeBytes(bytes);
    else this.dropped.add(bytes.length);
  }
}
