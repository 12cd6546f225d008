/**
 * The key hashes of one ledger's rows. A large ledger's are worked out while it is walked: a transaction's keys are in the
 * cache when it has just been read, and are not when all of the ledger has. An ordinary ledger's are at its end. HOT PATH.
 */
import { KeyHasher } from "./key-hash.ts";
import type { RowSet } from "./row-set.ts";
import type { TtlChanges } from "./ttl.ts";

/**
 * From here on a ledger leaves the cache: twice what is dense today. While it is walked its rows are hashed, and those of a
 * transaction are complete when the next one begins.
 */
export const LARGE_LEDGER_BYTES = 4 << 20;

const BYTES_PER_KEY = 4096; // about, of large ledgers

const NO_BYTES = new DataView(new ArrayBuffer(0));

/** Hashes the rows of one ledger after the other. */
export class RowHashes {
  /** Rows of the ledger that have all of its keys among them, each hardly more than once. */
  readonly keyRows: number[] = [];
  readonly hasher = new KeyHasher();
  private rows!: RowSet;
  private view: DataView = NO_BYTES;
  private first = 0;
  private isLarge = false;
  /** Rows before this one are hashed. */
  private done = 0;
  /** By row from `first` on: an earlier row with its key, or itself. */
  private sameKeyAs = new Uint32Array(1024);

  /** A ledger begins, whose rows follow those in `rows`. */
  begin(rows: RowSet, view: DataView): void {
    this.rows = rows;
    this.view = view;
    this.first = rows.length;
    this.isLarge = view.byteLength >= LARGE_LEDGER_BYTES;
    if (this.isLarge) this.restart(view.byteLength / BYTES_PER_KEY);
  }

  /** Another transaction begins: what has been read is in the cache. */
  transaction(): void {
    if (this.isLarge) this.next();
  }

  /**
   * The ledger has all of its rows, in their order.
   * @param isMoved rows have gone, or have another place than they had
   */
  finish(isMoved: boolean): void {
    if (isMoved || !this.isLarge) this.restart(this.rows.length - this.first);
    this.next();
  }

  /** The ledger is done: its memory may go. */
  end(): void {
    this.view = NO_BYTES;
  }

  private restart(keysMax: number): void {
    this.done = this.first;
    this.keyRows.length = 0;
    this.hasher.begin(keysMax);
  }

  /** Hashes the rows that have been appended since. */
  private next(): void {
    const { rows, view, hasher, keyRows, first } = this;
    if (rows.length - first > this.sameKeyAs.length) this.grow();
    for (; this.done < rows.length; this.done++) {
      const row = this.done;
      const from = rows.contractAt[row]! - 4;
      const known = hasher.hash(view, from, rows.keyAt[row]! + rows.keyBytes[row]! + 4, rows.keyHash, row * 32);
      if (known < 0) keyRows.push(row);
      this.sameKeyAs[row - first] = known < 0 ? row : known >> 5;
    }
  }

  /** Sets what the ledger's TTL changes say of each row's key: they are looked up once for a key. All rows are hashed. */
  join(ttls: TtlChanges): void {
    const { rows, view, first } = this;
    const { keyHash, liveUntil } = rows;
    const hashes = new DataView(keyHash.buffer);
    ttls.index(view);
    for (let row = first; row < rows.length; row++) {
      const same = this.sameKeyAs[row - first]!;
      liveUntil[row] = same === row ? ttls.liveUntil(view, hashes, row * 32) : liveUntil[same]!;
    }
  }

  private grow(): void {
    const grown = new Uint32Array(2 * (this.rows.length - this.first));
    grown.set(this.sameKeyAs);
    this.sameKeyAs = grown;
  }
}
