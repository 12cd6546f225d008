/**
 * The TTL changes of one ledger, joined to its rows: a TTL entry names its owner by the sha256 of the owner's LedgerKey
 * (Stellar-ledger-entries.x, TTLEntry), which is the row's key hash. HOT PATH.
 */
import type { RowSet } from "./row-set.ts";
import { sameId, secretHash } from "./secret-hash.ts";

/** The TTL entries that a ledger created or updated. */
export class TtlChanges {
  private count = 0;
  /** Offset of each TTLEntry: 32 bytes of key hash, then the live-until ledger. */
  private entryAt = new Uint32Array(1024);
  /** Open addressing: 0 is empty, else 1 + index into entryAt. */
  private slots = new Uint32Array(2048);
  /** Slots in use for this ledger: 2 to this power, at least twice the entries. */
  private bits = 0;

  clear(): void {
    this.count = 0;
  }

  add(entryAt: number): void {
    if (this.count === this.entryAt.length) {
      const grown = new Uint32Array(this.entryAt.length * 2);
      grown.set(this.entryAt);
      this.entryAt = grown;
      this.slots = new Uint32Array(grown.length * 2);
    }
    this.entryAt[this.count++] = entryAt;
  }

  /** Sets `liveUntil` of the rows from `first` on to the greatest live-until of their key in this ledger. */
  join(d: DataView, rows: RowSet, first: number): void {
    if (this.count === 0 || rows.length === first) return;
    this.bits = Math.ceil(Math.log2(this.count)) + 1;
    const { slots, entryAt } = this;
    const mask = (1 << this.bits) - 1;
    slots.fill(0, 0, mask + 1);
    for (let i = 0; i < this.count; i++) this.place(d, entryAt[i]!, i, mask);
    const hashes = new DataView(rows.keyHash.buffer);
    for (let row = first; row < rows.length; row++) {
      const hash = row * 32;
      let slot = this.home(hashes, hash);
      for (let entry = slots[slot]!; entry !== 0; entry = slots[slot]!) {
        const at = entryAt[entry - 1]!;
        if (sameId(d, at, hashes, hash)) {
          rows.liveUntil[row] = d.getUint32(at + 32);
          break;
        }
        slot = (slot + 1) & mask;
      }
    }
  }

  /** The slot at which the search for the hash at `p` begins. */
  private home(d: DataView, p: number): number {
    return secretHash(d, p) >>> (32 - this.bits);
  }

  /** Puts an entry into the table; of two with one key the greater live-until stays. */
  private place(d: DataView, at: number, index: number, mask: number): void {
    let slot = this.home(d, at);
    for (let entry = this.slots[slot]!; entry !== 0; entry = this.slots[slot]!) {
      const other = this.entryAt[entry - 1]!;
      if (sameId(d, at, d, other)) {
        if (d.getUint32(at + 32) <= d.getUint32(other + 32)) return;
        break;
      }
      slot = (slot + 1) & mask;
    }
    this.slots[slot] = index + 1;
  }
}
