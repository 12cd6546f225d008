/**
 * The contract-data changes of one change list, between being read and becoming rows: rows leave in the order of their
 * LedgerKeys' XDR, which only the whole list can tell. HOT PATH.
 */
import { compareBytes } from "./bytes.ts";

/** In `passes`: no row under the decoder's setting, and no part of any count but of the rows' places. */
export const HIDDEN = 2;

const INSERTION_MAX = 16; // below this, insertion sort moves less than merging does

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
  /** After `sort`: candidate indices in row order. */
  order = new Uint32Array(64);
  private spare = new Uint32Array(64);

  clear(): void {
    this.count = 0;
    this.passing = 0;
    this.hidden = 0;
  }

  /** Index of a new candidate, whose facts the caller sets. */
  add(): number {
    if (this.count === this.order.length) this.grow();
    return this.count++;
  }

  /** Fills `order`: stable, by the bytes of the ledger key. */
  sort(d: DataView): void {
    const { order, count } = this;
    let sorted = true;
    for (let i = 0; i < count; i++) {
      order[i] = i;
      if (i > 0 && sorted && this.compare(d, i - 1, i) > 0) sorted = false;
    }
    if (sorted) return;
    for (let start = 0; start < count; start += INSERTION_MAX) {
      this.insertionSort(d, start, Math.min(start + INSERTION_MAX, count));
    }
    for (let width = INSERTION_MAX; width < count; width *= 2) this.mergeRuns(d, width);
  }

  private compare(d: DataView, a: number, b: number): number {
    return compareBytes(d, this.addressAt[a]!, this.keyEnd[a]! + 4, this.addressAt[b]!, this.keyEnd[b]! + 4);
  }

  private insertionSort(d: DataView, start: number, end: number): void {
    const { order } = this;
    for (let i = start + 1; i < end; i++) {
      const moving = order[i]!;
      let at = i;
      while (at > start && this.compare(d, order[at - 1]!, moving) > 0) {
        order[at] = order[at - 1]!;
        at--;
      }
      order[at] = moving;
    }
  }

  /** Merges neighbouring sorted runs of `width`. */
  private mergeRuns(d: DataView, width: number): void {
    const { order, spare, count } = this;
    for (let start = 0; start < count; start += 2 * width) {
      const middle = Math.min(start + width, count);
      const end = Math.min(start + 2 * width, count);
      let left = start;
      let right = middle;
      for (let to = start; to < end; to++) {
        const takesLeft = left < middle && (right >= end || this.compare(d, order[left]!, order[right]!) <= 0);
        spare[to] = takesLeft ? order[left++]! : order[right++]!;
      }
    }
    this.order = spare;
    this.spare = order;
  }

  private grow(): void {
    const capacity = this.order.length * 2;
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
    this.order = words(this.order);
    this.spare = new Uint32Array(capacity);
  }
}
