/**
 * Facts about rows of one dataset, as columns of numbers. HOT PATH: no object is made per row.
 *
 * A fact is an offset into the bytes of the ledger that the row came from, or a small number. Nothing is copied or
 * formatted here (but for the 32-byte key hash): that is done once, when a batch is laid out (src/columns). So the set
 * keeps the ledgers' buffers alive, and their content must not change, until `clear()`.
 *
 * Rows of the dataset `ttl` have of these: ledger, change, reason, the five of their place, keyHash, liveUntil and
 * liveUntilBefore; contract, key and durability are those of the entry that the TTL is of, where the ledger tells.
 */
import { CodedError } from "../error.ts";
import type { Dataset } from "../vocabulary/dataset.ts";
import { AssetStore } from "./asset-store.ts";

/** An offset that points nowhere: the row has no such fact. */
export const NONE = 0xffff_ffff;

const ROWS_INITIAL = 1024; // two ordinary ledgers
const ROWS_MAX = 1 << 24; // about 2 GB of facts; a batch is cut long before

/** One decoded ledger that has rows in the set. */
export interface RowLedger {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Which rows its decoder makes. */
  readonly dataset: Dataset;
  readonly schemaVersion: 1 | 2;
  sequence: number;
  closedAtSeconds: number;
  /** closedAtSeconds in microseconds, as the two halves of an int64. */
  closedAtMicrosLow: number;
  closedAtMicrosHigh: number;
}

type Growable = Uint8Array | Uint32Array;

/** Rows of one or more ledgers; row numbers index every array. */
export class RowSet {
  /** Number of rows. */
  length = 0;
  /** Ledgers that the rows refer to, in the order decoded. */
  readonly ledgers: RowLedger[] = [];
  /** Assets that `contractAsset` numbers. */
  readonly assets = new AssetStore();
  /** Changes whenever rows that were there may be others now: what was derived from them is out of date. */
  generation = 0;

  /** Index into `ledgers`. */
  ledger = new Uint32Array(ROWS_INITIAL);
  /** CHANGE_… of terms.ts: LedgerEntryChangeType (0 created, 1 updated, 2 removed, 4 restored), or 5, evicted. */
  change = new Uint8Array(ROWS_INITIAL);
  /** Which change list the row stood in: LIST_… of xdr/generated/skip.ts. */
  reason = new Uint8Array(ROWS_INITIAL);
  /** 0 temporary, 1 persistent; DURABILITY_UNKNOWN on rows of `ttl` alone. */
  durability = new Uint8Array(ROWS_INITIAL);
  /** ScVal type of the key. */
  keyType = new Uint8Array(ROWS_INITIAL);
  /** ASSET_… of terms.ts. */
  assetType = new Uint8Array(ROWS_INITIAL);
  /** INSTANCE_… of terms.ts. */
  instanceType = new Uint8Array(ROWS_INITIAL);
  /** Offset of the 32-byte contract id (NONE: unknown). The LedgerKey's XDR, but for its discriminant, begins 4 bytes before. */
  contractAt = new Uint32Array(ROWS_INITIAL);
  /** Offset and length of the key's and of the value's ScVal (the pre-state's when removed; NONE and 0 when evicted). */
  keyAt = new Uint32Array(ROWS_INITIAL);
  keyBytes = new Uint32Array(ROWS_INITIAL);
  valAt = new Uint32Array(ROWS_INITIAL);
  valBytes = new Uint32Array(ROWS_INITIAL);
  /** Offset and length of the asset code as the contract stores it (it may hold NULs); NONE for native and for none. */
  assetCodeAt = new Uint32Array(ROWS_INITIAL);
  assetCodeBytes = new Uint32Array(ROWS_INITIAL);
  /** Offset of the issuer's 32-byte account id, or NONE. */
  assetIssuerAt = new Uint32Array(ROWS_INITIAL);
  /** Number in `assets` of the asset whose contract the row's contract is, as far as the decoder was told to find out. */
  contractAsset = new Uint32Array(ROWS_INITIAL);
  /** Offset of the balance holder's 32 bytes (key or hash; a muxed account's id lies before them), or NONE. */
  holderAt = new Uint32Array(ROWS_INITIAL);
  /** ADDRESS_… of terms.ts; of no meaning where there is no holder. Schema version 1 has contracts only. */
  holderKind = new Uint8Array(ROWS_INITIAL);
  /** Offset of the 16-byte big-endian balance, or NONE. Never negative. */
  balanceAt = new Uint32Array(ROWS_INITIAL);
  /** Offset of the instance's 32-byte wasm hash, or NONE. */
  wasmHashAt = new Uint32Array(ROWS_INITIAL);
  /** 0 when evicted. */
  lastModified = new Uint32Array(ROWS_INITIAL);
  /**
   * Greatest live-until ledger among the key's TTL changes in the same ledger; 0 for none. In `ttl` it is the
   * live-until ledger that the change has set; 0 where it took the entry away.
   */
  liveUntil = new Uint32Array(ROWS_INITIAL);
  /** In `ttl` alone: the live-until ledger before the change, of updated and removed; else 0. */
  liveUntilBefore = new Uint32Array(ROWS_INITIAL);
  /** Offset of the 32-byte transaction hash, or NONE (upgrades, evictions). */
  txHashAt = new Uint32Array(ROWS_INITIAL);
  /** 1-based, in apply order; 0 where there is no transaction. */
  txIndex = new Uint32Array(ROWS_INITIAL);
  /** 0-based; 0 where the change is the transaction's own. */
  opIndex = new Uint32Array(ROWS_INITIAL);
  /** Counts the transaction's changes of the dataset from 0, before filters; those without a transaction per ledger. */
  changeIndex = new Uint32Array(ROWS_INITIAL);
  /**
   * How many changes of its ledger stand before it in row order, counted before every filter and setting: the same in
   * both schema versions, in both settings of `compat` and in every partition. What cursors count by.
   */
  place = new Uint32Array(ROWS_INITIAL);
  /** 32 bytes a row: sha256 of the LedgerKey's XDR (all zero where the decoder was told not to compute it). */
  keyHash = new Uint8Array(ROWS_INITIAL * 32);

  private capacity = ROWS_INITIAL;

  /** Forgets all rows and lets go of the ledgers' buffers; keeps the memory of the columns. */
  clear(): void {
    this.truncate(0, 0);
  }

  /** Back to an earlier state: `rows` rows out of `ledgers` ledgers. */
  truncate(rows: number, ledgers: number): void {
    this.length = rows;
    this.ledgers.length = ledgers;
    this.generation++;
    if (rows === 0) this.assets.clear();
  }

  /**
   * Forgets the rows before `row`, and the ledgers that only they are of: the row becomes row 0. Answers with how many
   * ledgers went.
   */
  dropBefore(row: number): number {
    const ledgers = this.ledger[row]!;
    const left = this.length - row;
    for (const [, column, width] of this.columns()) column.copyWithin(0, row * width, this.length * width);
    for (let i = 0; i < left; i++) this.ledger[i]! -= ledgers;
    this.ledgers.splice(0, ledgers);
    this.length = left;
    this.generation++;
    return ledgers;
  }

  /** Index of a new row, whose facts the caller sets, all of them: the columns hold old values. */
  add(): number {
    if (this.length === this.capacity) this.grow();
    return this.length++;
  }

  /** Rearranges the rows from `first` on: row `first + i` becomes what row `order[i]` was, for all of `order`. */
  reorder(first: number, order: readonly number[]): void {
    this.generation++;
    for (const [name, column, width] of this.columns()) {
      const moved = column.slice(first * width, this.length * width);
      for (let i = 0; i < order.length; i++) {
        const from = (order[i]! - first) * width;
        column.set(moved.subarray(from, from + width), (first + i) * width);
      }
      Object.assign(this, { [name]: column });
    }
  }

  /** Keeps only the rows from `first` on that `kept` names, in rising order. */
  keep(first: number, kept: readonly number[]): void {
    if (kept.length === this.length - first) return;
    this.reorder(first, kept);
    this.length = first + kept.length;
  }

  /** Appends those rows of another set, which are of one ledger, with that ledger and their assets. */
  append(other: RowSet, rows: readonly number[]): void {
    if (rows.length === 0) return;
    const first = this.length;
    for (let i = 0; i < rows.length; i++) this.add();
    for (const name of columnsOf32()) gather32(this[name], other[name], rows, first);
    for (const name of columnsOf8()) gather8(this[name], other[name], rows, first);
    gatherHashes(this.keyHash, other.keyHash, rows, first);
    this.ledgers.push(other.ledgers[other.ledger[rows[0]!]!]!);
    this.ledger.fill(this.ledgers.length - 1, first, this.length);
    const assets = new Map<number, number>();
    for (let row = first; row < this.length; row++) {
      const asset = this.contractAsset[row]!;
      if (asset === NONE) continue;
      let own = assets.get(asset);
      if (own === undefined) {
        own = this.assets.addFrom(other.assets, asset);
        assets.set(asset, own);
      }
      this.contractAsset[row] = own;
    }
  }

  private *columns(): Iterable<[name: string, column: Growable, width: number]> {
    for (const [name, column] of Object.entries(this)) {
      if (column instanceof Uint32Array) yield [name, column, 1];
      else if (column instanceof Uint8Array) yield [name, column, name === "keyHash" ? 32 : 1];
    }
  }

  private grow(): void {
    if (this.capacity >= ROWS_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "TOO_MANY_ROWS",
        `a row set holds ${ROWS_MAX} rows at most: lay rows out and clear it more often`,
      );
    }
    this.capacity *= 2;
    for (const [name, column, width] of this.columns()) {
      const grown =
        column instanceof Uint32Array ? new Uint32Array(this.capacity) : new Uint8Array(this.capacity * width);
      grown.set(column);
      Object.assign(this, { [name]: grown });
    }
  }
}

type Names<Column> = { [Name in keyof RowSet]: RowSet[Name] extends Column ? Name : never }[keyof RowSet];
type Names32 = Names<Uint32Array<ArrayBuffer>>;
type Names8 = Exclude<Names<Uint8Array<ArrayBuffer>>, Names32 | "keyHash">;

let names32: Names32[] | undefined;
let names8: Names8[] | undefined;

function columnsOf32(): readonly Names32[] {
  names32 ??= Object.entries(new RowSet()).flatMap(([name, column]) =>
    column instanceof Uint32Array ? [name as Names32] : [],
  );
  return names32;
}

function columnsOf8(): readonly Names8[] {
  names8 ??= Object.entries(new RowSet()).flatMap(([name, column]) =>
    column instanceof Uint8Array && name !== "keyHash" ? [name as Names8] : [],
  );
  return names8;
}

// One function for each type of array: a shared one would be several times slower.

function gather32(to: Uint32Array, from: Uint32Array, rows: readonly number[], first: number): void {
  for (let i = 0; i < rows.length; i++) to[first + i] = from[rows[i]!]!;
}

function gather8(to: Uint8Array, from: Uint8Array, rows: readonly number[], first: number): void {
  for (let i = 0; i < rows.length; i++) to[first + i] = from[rows[i]!]!;
}

/** 32 bytes a row, as eight words. */
function gatherHashes(to: Uint8Array, from: Uint8Array, rows: readonly number[], first: number): void {
  const words = new Uint32Array(to.buffer);
  const source = new Uint32Array(from.buffer);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]! * 8;
    for (let word = 0; word < 8; word++) words[(first + i) * 8 + word] = source[row + word]!;
  }
}
