/**
 * The rows of the dataset `ttl`: every change of a TTL entry, paired as ingest pairs changes, in its order (by LedgerKey
 * inside each list). HOT PATH.
 */
import { LIST_EVICTION, LIST_FEE, LIST_FEE_REFUND, LIST_OPERATION } from "../xdr/generated/skip.ts";
import { type CompiledFilter, shardHash } from "./filter.ts";
import { KeyOrder } from "./key-order.ts";
import type { ChangePlace } from "./row-appender.ts";
import { RowPlaces, restoreRowOrder } from "./row-order.ts";
import { NONE, type RowSet } from "./row-set.ts";
import { sameId } from "./secret-hash.ts";
import { CHANGE_EVICTED, CHANGE_REMOVED, CHANGE_STATE, CHANGE_UPDATED, DURABILITY_UNKNOWN } from "./terms.ts";

/** TTLEntry: 32 bytes of key hash, then the live-until ledger. */
const LIVE_UNTIL_IN_ENTRY = 32;

/** Makes the rows of one ledger after the other. */
export class TtlRows {
  readonly places = new RowPlaces();
  /** Rows that the filter's shard left out. */
  filtered = 0;
  private rows!: RowSet;
  private first = 0;
  /** Index among the row set's ledgers. */
  private ledger = 0;
  private isOutOfOrder = false;
  /** Counts the transaction's TTL changes from 0, or the ledger's own. */
  private changeIndex = 0;
  /** Offset of the TTL entry last read, which `updated` and `removed` pair with. */
  private priorAt = NONE;

  // The changes of one list
  private count = 0;
  private change = new Uint8Array(64);
  /** Offset of the key hash: of the entry, or of the key alone. */
  private hashAt = new Uint32Array(64);
  /** Offset of the entry before the change, or NONE. */
  private beforeAt = new Uint32Array(64);
  private readonly keys = new KeyOrder();
  private hashes = new DataView(new ArrayBuffer(0));

  /** @param filter of which only the shard counts, here by the key hash */
  constructor(private readonly filter: CompiledFilter | undefined) {}

  /** A ledger begins, whose rows go behind those that are there. */
  begin(rows: RowSet): void {
    this.rows = rows;
    this.first = rows.length;
    this.ledger = rows.ledgers.length;
    this.places.begin();
    this.filtered = 0;
    this.count = 0;
    this.isOutOfOrder = false;
    this.changeIndex = 0;
  }

  /** A transaction begins, or the changes that are of none. */
  beginTransaction(): void {
    this.changeIndex = 0;
  }

  /** The TTLEntry at `entryAt`, of a created, updated, restored or state; false where it does not pair with the one before. */
  entry(d: DataView, entryAt: number, change: number): boolean {
    if (change === CHANGE_UPDATED && !sameId(d, entryAt, d, this.priorAt)) return false;
    if (change !== CHANGE_STATE) this.add(change, entryAt, change === CHANGE_UPDATED ? this.priorAt : NONE);
    this.priorAt = entryAt;
    return true;
  }

  /** The removed entry whose key's hash is at `hashAt`; false where it does not pair with the one before. */
  removal(d: DataView, hashAt: number): boolean {
    if (!sameId(d, hashAt, d, this.priorAt)) return false;
    this.add(CHANGE_REMOVED, hashAt, this.priorAt);
    return true;
  }

  /** The evicted key whose hash is at `hashAt`: a row of its own, in the order of the ledger's list. */
  eviction(d: DataView, hashAt: number, place: ChangePlace): void {
    this.add(CHANGE_EVICTED, hashAt, NONE);
    this.emit(d, LIST_EVICTION, place);
  }

  private add(change: number, hashAt: number, beforeAt: number): void {
    if (this.count === this.change.length) this.grow();
    const index = this.count++;
    this.change[index] = change;
    this.hashAt[index] = hashAt;
    this.beforeAt[index] = beforeAt;
  }

  /** The list ends: its changes become rows. */
  emit(d: DataView, list: number, place: ChangePlace): void {
    const { count, keys, filter } = this;
    if (count === 0) return;
    if (list === LIST_FEE || list === LIST_FEE_REFUND) this.isOutOfOrder = true;
    const first = this.places.take(list, count);
    keys.sort(d, count, this.hashAt, this.hashAt, 32);
    const { order } = keys;
    for (let i = 0; i < count; i++, this.changeIndex++) {
      const index = order[i]!;
      if (filter?.admitsShard(shardHash(d, this.hashAt[index]!)) ?? true) this.append(d, index, first + i, list, place);
      else this.filtered++;
    }
    this.count = 0;
  }

  private append(d: DataView, index: number, inRank: number, list: number, place: ChangePlace): void {
    const { rows } = this;
    const row = rows.add();
    const change = this.change[index]!;
    const hashAt = this.hashAt[index]!;
    const beforeAt = this.beforeAt[index]!;
    const isGone = change === CHANGE_REMOVED || change === CHANGE_EVICTED;
    rows.ledger[row] = this.ledger;
    rows.change[row] = change;
    rows.reason[row] = list;
    rows.txHashAt[row] = place.txHashAt;
    rows.txIndex[row] = place.txHashAt === NONE ? 0 : place.transactions;
    rows.opIndex[row] = list === LIST_OPERATION ? place.operation : 0;
    rows.changeIndex[row] = this.changeIndex;
    rows.place[row] = inRank;
    rows.liveUntil[row] = isGone ? 0 : d.getUint32(hashAt + LIVE_UNTIL_IN_ENTRY);
    rows.liveUntilBefore[row] = beforeAt === NONE ? 0 : d.getUint32(beforeAt + LIVE_UNTIL_IN_ENTRY);
    rows.contractAt[row] = NONE;
    rows.keyAt[row] = NONE;
    rows.keyBytes[row] = 0;
    rows.durability[row] = DURABILITY_UNKNOWN;
    rows.contractAsset[row] = NONE;
    if (this.hashes.buffer !== rows.keyHash.buffer) this.hashes = new DataView(rows.keyHash.buffer);
    const { hashes } = this;
    for (let i = 0; i < 32; i += 4) hashes.setInt32(row * 32 + i, d.getInt32(hashAt + i));
  }

  /** The ledger ends: its rows are in order, with their places. */
  finish(): void {
    if (this.isOutOfOrder) restoreRowOrder(this.rows, this.first);
    this.places.settle(this.rows, this.first);
  }

  private grow(): void {
    const capacity = this.change.length * 2;
    const change = new Uint8Array(capacity);
    change.set(this.change);
    const [hashAt, beforeAt] = [this.hashAt, this.beforeAt].map((old) => {
      const grown = new Uint32Array(capacity);
      grown.set(old);
      return grown;
    });
    Object.assign(this, { change, hashAt, beforeAt });
  }
}
