/**
 * The TTL changes of one ledger, joined to its rows: a TTL entry names its owner by the sha256 of the owner's LedgerKey
 * (Stellar-ledger-entries.x, TTLEntry), which is the row's key hash. HOT PATH.
 */
import { HashTable } from "./hash-table.ts";
import type { RowSet } from "./row-set.ts";

/** The TTL entries that a ledger created, updated or restored. */
export class TtlChanges {
  private count = 0;
  /** Offset of each TTLEntry: 32 bytes of key hash, then the live-until ledger. */
  private entryAt = new Uint32Array(1024);
  private readonly table = new HashTable();

  clear(): void {
    this.count = 0;
  }

  add(entryAt: number): void {
    if (this.count === this.entryAt.length) {
      const grown = new Uint32Array(this.entryAt.length * 2);
      grown.set(this.entryAt);
      this.entryAt = grown;
    }
    this.entryAt[this.count++] = entryAt;
  }

  /** Sets `liveUntil` of the rows from `first` on to the greatest live-until of their key in this ledger. */
  join(d: DataView, rows: RowSet, first: number): void {
    if (this.count === 0 || rows.length === first) return;
    const { table, entryAt } = this;
    table.begin(d, this.count);
    for (let i = 0; i < this.count; i++) {
      const at = entryAt[i]!;
      const slot = table.slotOf(d, at);
      const other = table.offset(slot);
      if (other < 0 || d.getUint32(at + 32) > d.getUint32(other + 32)) table.set(slot, at);
    }
    const hashes = new DataView(rows.keyHash.buffer);
    for (let row = first; row < rows.length; row++) {
      const at = table.offset(table.slotOf(hashes, row * 32));
      if (at >= 0) rows.liveUntil[row] = d.getUint32(at + 32);
    }
  }
}
