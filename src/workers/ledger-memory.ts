/**
 * Memory for ledgers of one worker: one buffer that objects are inflated into, one after the other, and buffers for what
 * rows that wait for their batch refer to. All are used again, so that nothing is allocated per ledger once they have
 * grown to size, and what is inflated goes where the caches have the last ledger's bytes.
 */
import { DroppedMemory } from "../base/dropped-memory.ts";
import { InflateBuffer, Inflater } from "../sources/file/inflate.ts";

const BATCH_FILE_FACTOR = 4; // a file of many ledgers may inflate to this many times the limit of one
const GROWTH = 1.5;
const WHOLE_KEPT_BYTES_MAX = 16 << 20; // as fragments.ts keeps for joined messages

/** Holds what rows refer to of one ledger. */
export class RowBuffer {
  /** Its memory. */
  memory = new Uint8Array(0);
  /** What it holds: so many bytes, of that ledger. */
  bytes = 0;
  ledger = 0;
}

/** Buffers for inflated objects and for rows that wait, used again once nothing refers to them. */
export class LedgerMemory {
  private readonly free: RowBuffer[] = [];
  private freeBytes = 0;
  private readonly dropped = new DroppedMemory();
  private inflater: Inflater | undefined;
  private inflated = new InflateBuffer();
  private inflatedBytes = 0;
  private kept: Uint8Array | undefined;

  /** @param freeBytesMax memory kept to be used again */
  constructor(private readonly freeBytesMax: number) {}

  /**
   * The object's inflated bytes, valid until `objectDone`.
   * @param ledgerBytesMax LEDGER_BYTES_MAX
   * @throws CodedError DATA_LOSS, RESOURCE_EXHAUSTED
   */
  inflate(name: string, stored: Uint8Array, container: "ledger" | "batch", ledgerBytesMax: number): Uint8Array {
    const bytesMax = container === "batch" ? ledgerBytesMax * BATCH_FILE_FACTOR : ledgerBytesMax;
    this.inflater ??= new Inflater(ledgerBytesMax);
    const bytes = this.inflater.inflate(name, stored, "zstd", this.inflated, bytesMax);
    this.inflatedBytes = bytes.buffer.byteLength;
    return bytes;
  }

  /** Memory for all bytes of an object that comes in parts; given back by `giveWhole`. */
  whole(bytes: number): Uint8Array {
    const kept = this.kept;
    this.kept = undefined;
    return (kept !== undefined && kept.length >= bytes ? kept : new Uint8Array(bytes)).subarray(0, bytes);
  }

  /** Takes it back, once nothing refers to it. */
  giveWhole(bytes: Uint8Array): void {
    const memory = new Uint8Array(bytes.buffer);
    if (memory.length <= WHOLE_KEPT_BYTES_MAX) this.kept = memory;
    else this.dropped.addNow(memory.length);
  }

  /** Nothing refers to the inflated bytes any more. */
  objectDone(): void {
    if (this.inflatedBytes <= this.freeBytesMax) return;
    this.inflated = new InflateBuffer();
    this.dropped.addNow(this.inflatedBytes);
    this.inflatedBytes = 0;
  }

  /** Room for so many bytes of a ledger, in a buffer that is added to `held`. */
  room(held: RowBuffer[], ledger: number, bytes: number): Uint8Array {
    const buffer = this.free.pop() ?? new RowBuffer();
    this.freeBytes -= buffer.memory.length;
    if (buffer.memory.length < bytes) buffer.memory = new Uint8Array(Math.ceil(bytes * GROWTH));
    buffer.bytes = bytes;
    buffer.ledger = ledger;
    held.push(buffer);
    return buffer.memory.subarray(0, bytes);
  }

  /** Takes buffers back, to use them again as far as they are worth keeping. */
  give(held: RowBuffer[]): void {
    for (const buffer of held.splice(0)) {
      const { length } = buffer.memory;
      if (this.freeBytes + length > this.freeBytesMax) {
        this.dropped.addNow(length);
        continue;
      }
      this.free.push(buffer);
      this.freeBytes += length;
    }
  }

  /** Lets go of what is free, and of the inflater; for a worker that has had nothing to do for a while. */
  trim(): void {
    this.free.length = 0;
    this.freeBytes = 0;
    this.inflated = new InflateBuffer();
    this.inflatedBytes = 0;
    this.kept = undefined;
    this.inflater?.close();
    this.inflater = undefined;
  }
}
