/**
 * A retained batch: the Arrow data header and body as they go on the wire, in memory that is used again when the
 * last holder has let go. Holders are the stream's log (one) and every write that has not yet been copied into a
 * gRPC frame.
 */

import type { Position } from "../vocabulary/position.ts";
import type { BatchRecord } from "../workers/records.ts";

const CLASS_BYTES_MIN = 16 << 10; // smaller batches share this class: less bookkeeping than waste
const IDLE_BYTES_MAX = 64 << 20; // kept for reuse; more than the batches in flight of a fast stream
const BYTES_MAX = 1 << 30; // of a pool whose maker has no plan

/** Reusable buffers in sizes that are powers of two and the three steps between each and the next. */
export class SlotPool {
  private readonly free = new Map<number, Uint8Array[]>();
  private freeBytes = 0;
  private usedBytes = 0;

  /** @param bytesMax idle memory is kept as long as it is within this together with the memory in use */
  constructor(private readonly bytesMax = BYTES_MAX) {}

  get idleBytes(): number {
    return this.freeBytes;
  }

  take(bytes: number): Uint8Array {
    const size = sizeClass(bytes);
    this.usedBytes += size;
    const buffer = this.free.get(size)?.pop();
    if (buffer !== undefined) {
      this.freeBytes -= size;
      return buffer;
    }
    if (this.usedBytes + this.freeBytes > this.bytesMax) this.trim(); // idle memory of other sizes makes room
    return new Uint8Array(size);
  }

  give(buffer: Uint8Array): void {
    this.usedBytes -= buffer.length;
    const freeBytes = this.freeBytes + buffer.length;
    if (freeBytes > IDLE_BYTES_MAX || this.usedBytes + freeBytes > this.bytesMax) return;
    const list = this.free.get(buffer.length);
    if (list === undefined) this.free.set(buffer.length, [buffer]);
    else list.push(buffer);
    this.freeBytes += buffer.length;
  }

  /** Lets go of all idle memory. */
  trim(): void {
    this.free.clear();
    this.freeBytes = 0;
  }
}

function sizeClass(bytes: number): number {
  let size = CLASS_BYTES_MIN;
  while (size * 2 < bytes) size *= 2;
  const step = size / 4; // a batch of the target size and its header just miss a power of two
  return size + Math.max(0, Math.ceil((bytes - size) / step)) * step;
}

/** One finished batch in the data plane's memory. */
export class Slot {
  readonly dataHeader: Uint8Array;
  readonly dataBody: Uint8Array;
  /** Where the batch begins; set when a log takes it. Rows between here and `ledgerFirst` there are none. */
  start: Position = { ledger: 0, row: 0 };
  private holders = 1;

  /** @param attachment Arrow data header, padding to 8 and body, as the worker laid them down; copied here */
  constructor(
    private readonly pool: SlotPool,
    readonly record: BatchRecord,
    attachment: Uint8Array,
    readonly appMetadata: Uint8Array,
  ) {
    this.memory = pool.take(attachment.length);
    this.memory.set(attachment);
    const bodyAt = (record.headerBytes + 7) & ~7;
    this.dataHeader = this.memory.subarray(0, record.headerBytes);
    this.dataBody = this.memory.subarray(bodyAt, bodyAt + record.bodyBytes);
  }
  private readonly memory: Uint8Array;

  /** Memory that the slot occupies. */
  get bytes(): number {
    return this.memory.length;
  }

  hold(): void {
    if (this.holders === 0) throw new Error("a released slot cannot be held again");
    this.holders += 1;
  }

  release(): void {
    this.holders -= 1;
    if (this.holders === 0) this.pool.give(this.memory);
    else if (this.holders < 0) throw new Error("slot released twice");
  }
}
