/**
 * The memory that streams have for their retained batches. Each has its least share for certain, and the least shares of
 * the streams that may still come are kept free. What is left beyond, the *spare*, is lent: half of it at most to streams
 * that wait for a reader, since they give nothing back until one comes, and the rest evenly to those that are read.
 *
 * A share is lowered at once, and counts in full until the stream has let go of what is over it. A share is raised only
 * by what nobody has: so all of them together are within the limit at every moment.
 */
import { CodedError } from "../error.ts";

const MIB = 1 << 20;
const PART_TO_COME = 2; // half of the memory at most is kept free: where it is little, those that are there come first
const PART_UNREAD = 2; // of what is to spare

interface Share {
  /** It keeps so much, whatever others want. */
  least: number;
  /** More it has no use for. */
  wanted: number;
  /** What it may retain now. */
  bytes: number;
  /** What it counts for: that, or more while it has more. */
  charged: number;
  /** Whether it had a reader when memory was last divided. */
  isRead: boolean;
}

/**
 * Keeps account of the shares, in bytes, by stream number. It only counts: the caller makes streams keep to their
 * shares, and calls `lend` from time to time to divide memory anew.
 */
export class MemoryShares {
  /** Whether anything has changed since memory was last divided: most looks of an idle server find nothing. */
  private isStale = false;
  private readonly running = new Map<number, Share>();
  /** What streams that are over still retain for those who come late. */
  private readonly kept = new Map<number, number>();

  /**
   * @param leastBytes share of one stream without partitions
   * @param streamsMax that there may be at once, each with its least share
   */
  constructor(
    readonly bytesMax: number,
    private readonly leastBytes: number,
    private readonly streamsMax: number,
  ) {}

  /** What nobody has. */
  get freeBytes(): number {
    let free = this.bytesMax;
    for (const { charged } of this.running.values()) free -= charged;
    for (const bytes of this.kept.values()) free -= bytes;
    return Math.max(0, free);
  }

  /** What nobody has, and is not kept for streams to come. */
  get spareBytes(): number {
    return Math.max(0, this.freeBytes - this.bytesToCome);
  }

  /** What a running stream may retain now. */
  of(stream: number): number {
    return this.running.get(stream)?.bytes ?? 0;
  }

  /**
   * Lets a stream in, with its least share.
   * @param least without which it is refused
   * @param wanted more it has no use for
   * @throws CodedError RESOURCE_EXHAUSTED / MEMORY_EXHAUSTED with what is needed and what is left
   */
  admit(stream: number, least: number, wanted: number): void {
    const bytes = Math.min(least, wanted);
    const free = this.freeBytes;
    if (free < bytes) {
      const others = this.running.size + [...this.kept.values()].filter((kept) => kept > 0).length;
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "MEMORY_EXHAUSTED",
        `a stream needs ${mib(bytes)} MiB for its batches, and ${mib(free)} of the ${mib(this.bytesMax)} MiB that MAX_MEMORY_MB leaves for them are free (${others} streams have the rest): stop one, or raise MAX_MEMORY_MB`,
      );
    }
    this.running.set(stream, { least: bytes, wanted, bytes, charged: bytes, isRead: false });
    this.isStale = true;
  }

  /**
   * A stream whose batches on their way are all there retains so much: what else it had over its share is free. It may
   * also be a little more than its share, by the last batches that came.
   */
  settle(stream: number, retainedBytes: number): void {
    const share = this.running.get(stream);
    if (share === undefined) return;
    const charged = Math.max(share.bytes, retainedBytes);
    if (charged !== share.charged) this.isStale = true;
    share.charged = charged;
  }

  /** A stream that is over has use for what it retains, and no more. */
  keep(stream: number, retainedBytes: number): void {
    const before = this.kept.get(stream);
    const kept = Math.min(before ?? retainedBytes, retainedBytes);
    if (this.running.delete(stream) || kept !== before) this.isStale = true;
    this.kept.set(stream, kept);
  }

  drop(stream: number): void {
    this.running.delete(stream);
    this.kept.delete(stream);
    this.isStale = true;
  }

  /**
   * Divides what is to spare anew.
   * @param isRead whether a stream has a reader
   * @returns the streams whose shares have changed
   */
  lend(isRead: (stream: number) => boolean): number[] {
    for (const [stream, share] of this.running) {
      const now = isRead(stream);
      if (now !== share.isRead) this.isStale = true;
      share.isRead = now;
    }
    if (!this.isStale) return [];
    const before = new Map([...this.running].map(([stream, { bytes }]) => [stream, bytes]));
    const read: Share[] = [];
    const unread: Share[] = [];
    let spare = this.bytesMax - this.bytesToCome;
    for (const bytes of this.kept.values()) spare -= bytes;
    for (const share of this.running.values()) {
      (share.isRead ? read : unread).push(share);
      spare -= share.least;
    }
    spare = Math.max(0, spare);
    const unreadMax = Math.floor(spare / PART_UNREAD);
    const levelUnread = level(unreadMax, unread);
    let lentUnread = 0;
    for (const share of unread) {
      share.bytes = Math.min(share.bytes, due(share, levelUnread));
      lentUnread += share.charged - share.least;
    }
    lentUnread += raise(unread, levelUnread, Math.min(this.spareBytes, Math.max(0, unreadMax - lentUnread)));
    const levelRead = level(Math.max(0, spare - lentUnread), read);
    for (const share of read) share.bytes = Math.min(share.bytes, due(share, levelRead));
    raise(read, levelRead, this.spareBytes);
    const changed = [...this.running].filter(([stream, { bytes }]) => bytes !== before.get(stream));
    this.isStale = changed.length > 0; // what one gives up another may have the next time
    return changed.map(([stream]) => stream);
  }

  /** What is kept free for streams to come. */
  private get bytesToCome(): number {
    let bytes = Math.min(this.streamsMax * this.leastBytes, Math.floor(this.bytesMax / PART_TO_COME));
    for (const { least } of this.running.values()) bytes -= least;
    return Math.max(0, bytes);
  }
}

/** The most that each may have beyond its least share, so that together they have no more than the room. */
function level(room: number, shares: readonly Share[]): number {
  const wants = shares.map(({ wanted, least }) => wanted - least).sort((a, b) => a - b);
  let left = room;
  for (const [index, want] of wants.entries()) {
    const each = left / (wants.length - index);
    if (want > each) return Math.floor(each);
    left -= want;
  }
  return Number.POSITIVE_INFINITY;
}

function due({ least, wanted }: Share, levelBytes: number): number {
  return Math.min(wanted, least + levelBytes);
}

/** Gives each what it is due, as far as there is room for it. @returns how much of the room that takes */
function raise(shares: readonly Share[], levelBytes: number, room: number): number {
  let left = room;
  for (const share of shares) {
    share.bytes = Math.max(share.bytes, Math.min(due(share, levelBytes), share.charged + left));
    const more = Math.max(0, share.bytes - share.charged);
    share.charged += more;
    left -= more;
  }
  return room - left;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1).replace(/\.0$/, "");
}
