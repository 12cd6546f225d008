/** Finds 32-byte hashes by open addressing. HOT PATH. */
import { sameId, secretHash } from "./secret-hash.ts";

const NO_BYTES = new DataView(new ArrayBuffer(0));

/** A table of hashes that lie in one view; it is filled anew for each ledger, and keeps its memory. */
export class HashTable {
  /** 0 is empty, else 1 + the offset of the hash. */
  private slots = new Uint32Array(2048);
  /** Slots in use: 2 to this power, at least twice the hashes. */
  private bits = 1;
  private view: DataView = NO_BYTES;

  /** Empties the table, for up to `count` hashes in `view`. */
  begin(view: DataView, count: number): void {
    this.view = view;
    this.bits = Math.ceil(Math.log2(Math.max(1, count))) + 1;
    const size = 1 << this.bits;
    if (size > this.slots.length) this.slots = new Uint32Array(size);
    else this.slots.fill(0, 0, size);
  }

  /** Nothing is looked up any more: lets go of the view, which may be a whole ledger. */
  end(): void {
    this.view = NO_BYTES;
  }

  /** The slot of the hash that lies at `at` in `d`; an empty one where the table has no such hash. */
  slotOf(d: DataView, at: number): number {
    const { slots, view } = this;
    const mask = (1 << this.bits) - 1;
    let slot = secretHash(d, at) >>> (32 - this.bits);
    for (let entry = slots[slot]!; entry !== 0; entry = slots[slot]!) {
      if (sameId(d, at, view, entry - 1)) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** The offset of the hash in the slot; -1 where that is empty. */
  offset(slot: number): number {
    return this.slots[slot]! - 1;
  }

  /** Puts the hash at that offset of the view into the slot that `slotOf` answers with for it. */
  set(slot: number, offset: number): void {
    this.slots[slot] = offset + 1;
  }
}
