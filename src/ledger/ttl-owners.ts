/**
 * Which contract-data entry a TTL row belongs to, as far as the ledger itself tells: one whose change, or evicted key, is in
 * the same ledger. What earlier ledgers told is not kept: a row would depend on where its reader began. HOT PATH.
 */
import { HashTable } from "./hash-table.ts";
import type { KeyHasher } from "./key-hash.ts";
import type { RowSet } from "./row-set.ts";
import { DURABILITY_PERSISTENT } from "./terms.ts";

/** Joins the two datasets of one ledger by the hashes of their keys. */
export class TtlOwners {
  private readonly table = new HashTable();
  /** 32 bytes for each of the keys below. */
  private hashes = new Uint8Array(64 * 32);
  // Keys of contract-data changes that are no rows themselves
  private count = 0;
  private addressAt = new Uint32Array(64);
  private keyAt = new Uint32Array(64);
  private keyEnd = new Uint32Array(64);

  clear(): void {
    this.count = 0;
  }

  /** A key that no row has: contract, key in [keyAt, keyEnd), durability. */
  add(addressAt: number, keyAt: number, keyEnd: number): void {
    if (this.count === this.keyAt.length) this.grow();
    const index = this.count++;
    this.addressAt[index] = addressAt;
    this.keyAt[index] = keyAt;
    this.keyEnd[index] = keyEnd;
  }

  /** Sets contract, key and durability of the TTL rows from `first` on; `keyRows` of contract data have their key hashes. */
  join(d: DataView, ttl: RowSet, first: number, data: RowSet, keyRows: readonly number[], hasher: KeyHasher): void {
    if (ttl.length === first) return;
    const { table } = this;
    const hashes = new DataView(ttl.keyHash.buffer);
    table.begin(hashes, ttl.length - first);
    /** Rows whose key has a row before. */
    const again: number[] = [];
    for (let row = first; row < ttl.length; row++) {
      const slot = table.slotOf(hashes, row * 32);
      if (table.offset(slot) < 0) table.set(slot, row * 32);
      else again.push(row);
    }
    const dataHashes = new DataView(data.keyHash.buffer);
    for (const row of keyRows) {
      const at = table.offset(table.slotOf(dataHashes, row * 32));
      if (at >= 0)
        own(ttl, at >> 5, data.contractAt[row]!, data.keyAt[row]!, data.keyBytes[row]!, data.durability[row]!);
    }
    this.joinOthers(d, ttl, hasher);
    for (const row of again) {
      const of = table.offset(table.slotOf(hashes, row * 32)) >> 5;
      own(ttl, row, ttl.contractAt[of]!, ttl.keyAt[of]!, ttl.keyBytes[of]!, ttl.durability[of]!);
    }
  }

  private joinOthers(d: DataView, ttl: RowSet, hasher: KeyHasher): void {
    const { hashes, table } = this;
    const view = new DataView(hashes.buffer);
    hasher.begin(this.count);
    for (let i = 0; i < this.count; i++) {
      const addressAt = this.addressAt[i]!;
      const keyAt = this.keyAt[i]!;
      const keyEnd = this.keyEnd[i]!;
      const durability = d.getUint32(keyEnd);
      if (durability > DURABILITY_PERSISTENT) continue; // nobody has checked it
      hasher.hash(d, addressAt, keyEnd + 4, hashes, i * 32);
      const at = table.offset(table.slotOf(view, i * 32));
      if (at >= 0) own(ttl, at >> 5, addressAt + 4, keyAt, keyEnd - keyAt, durability);
    }
  }

  private grow(): void {
    const [addressAt, keyAt, keyEnd] = [this.addressAt, this.keyAt, this.keyEnd].map((old) => {
      const grown = new Uint32Array(old.length * 2);
      grown.set(old);
      return grown;
    });
    Object.assign(this, { addressAt, keyAt, keyEnd, hashes: new Uint8Array(this.hashes.length * 2) });
  }
}

function own(ttl: RowSet, row: number, contractAt: number, keyAt: number, keyBytes: number, durability: number): void {
  ttl.contractAt[row] = contractAt;
  ttl.keyAt[row] = keyAt;
  ttl.keyBytes[row] = keyBytes;
  ttl.durability[row] = durability;
}
