/**
 * The contract-data changes of one change list, between being read and becoming rows: rows leave in the order of their
 * LedgerKeys' XDR, which only the whole list can tell. HOT PATH.
 */
import { KeyOrder } from "./key-order.ts";

/** In `passes`: no row under the decoder's setting, and no part of any count but of the rows' places. */
export const HIDDEN = 2;

/** Facts of candidates as columns of numbers; the arrays grow together. */
export class Candidates {
  count = 0;
  /** How many pass the first part of the filter. */
  passing = 0;
  /** How many are HIDDEN. */
  hidden = 0;
  change = new Uint8Array(64);
  /** 1 where the candidate passes that part, 0 where it does not, or HIDDEN. */
  passes = new Uint8Array(64);
  durability = new Uint8Array(64);
  lastModified = new Uint32Array(64);
  /** Offset of the contract's SCAddress: the LedgerKey after its discriminant, up to 4 bytes (durability) past keyEnd. */
  addressAt = new Uint32Array(64);
  keyAt = new Uint32Array(64);
  keyEnd = new Uint32Array(64);
  valAt = new Uint32Array(64);
  valEnd = new Uint32Array(64);
  private readonly keys = new KeyOrder();

  clear(): void {
    this.count = 0;
    this.passing = 0;
    this.hidden = 0;
  }

  /** Index of a new candidate, whose facts the caller sets. */
  add(): number {
    if (this.count === this.change.length) this.grow();
    return this.count++;
  }

  /** Candidate indices in row order, after `sort`. */
  get order(): Uint32Array {
    return this.keys.order;
  }

  /** Fills `order`: stable, by the bytes of the ledger key. */
  sort(d: DataView): void {
    this.keys.sort(d, this.count, this.addressAt, this.keyEnd, 4);
  }

  private grow(): void {
    const capacity = this.change.length * 2;
    const bytes = (old: Uint8Array): Uint8Array<ArrayBuffer> => {
      const grown = new Uint8Array(capacity);
      grown.set(old);
      return grown;
    };
    const words = (old: Uint32Array): Uint32Array<ArrayBuffer> => {
      const grown = new Uint32Array(capacity);
      grown.set(old);
      return grown;
    };
    this.change = bytes(this.change);
    this.passes = bytes(this.passes);
    this.durability = bytes(this.durability);
    this.lastModified = words(this.lastModified);
    this.addressAt = words(this.addressAt);
    this.keyAt = words(this.keyAt);
    this.keyEnd = words(this.keyEnd);
    this.valAt = words(this.valAt);
    this.valEnd = words(this.valEnd);
  }
}
