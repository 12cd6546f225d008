/**
 * The TTL changes of one ledger, joined to its rows: a TTL entry names its owner by the sha256 of the owner's LedgerKey
 * (Stellar-ledger-entries.x, TTLEntry), which is the row's key hash. HOT PATH.
 */
import { HashTable } from "./hash-table.ts";

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

  /** The ledger has no more of them: they can be looked up, until `end`. */
  index(d: DataView): void {
    const { table, entryAt } = this;
    table.begin(d, this.count);
    for (let i = 0; i < this.count; i++) {
      const at = entryAt[i]!;
      const slot = table.slotOf(d, at);
      const other = table.offset(slot);
      if (other < 0 || d.getUint32(at + 32) > d.getUint32(other + 32)) table.set(slot, at);
    }
  }

  /** Nothing is looked up any more: the ledger's memory may go. */
  end(): void {
    this.table.end();
  }

  /** The greatest live-until in this ledger of the key whose hash is at `at` in `hashes`; 0 where it has none. */
  liveUntil(d: DataView, hashes: DataView, at: number): number {
    if (this.count === 0) return 0;
    const entryAt = this.table.offset(this.table.slotOf(hashes, at));
    return entryAt < 0 ? 0 : d.getUint32(entryAt + 32);
  }
}
