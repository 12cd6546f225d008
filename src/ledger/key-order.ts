/** Sorts changes of one list by the bytes of their LedgerKeys, as ingest does. HOT PATH. */
import { compareBytes } from "./bytes.ts";

const INSERTION_MAX = 16; // below this, insertion sort moves less than merging does

/** Keeps its memory from list to list. */
export class KeyOrder {
  /** After `sort`: indices in the order of their keys. */
  order: Uint32Array = new Uint32Array(64);
  private spare: Uint32Array = new Uint32Array(64);

  /** Fills `order` with 0 to `count - 1`: stable, by the bytes [from, end + beyond) of each. */
  sort(d: DataView, count: number, from: Uint32Array, end: Uint32Array, beyond: number): void {
    if (count > this.order.length) {
      this.order = new Uint32Array(from.length);
      this.spare = new Uint32Array(from.length);
    }
    const { order } = this;
    let sorted = true;
    for (let i = 0; i < count; i++) {
      order[i] = i;
      if (i > 0 && sorted && compareBytes(d, from[i - 1]!, end[i - 1]! + beyond, from[i]!, end[i]! + beyond) > 0) {
        sorted = false;
      }
    }
    if (sorted) return;
    for (let start = 0; start < count; start += INSERTION_MAX) {
      this.insertionSort(d, start, Math.min(start + INSERTION_MAX, count), from, end, beyond);
    }
    for (let width = INSERTION_MAX; width < count; width *= 2) this.mergeRuns(d, width, count, from, end, beyond);
  }

  private insertionSort(
    d: DataView,
    start: number,
    stop: number,
    from: Uint32Array,
    end: Uint32Array,
    beyond: number,
  ): void {
    const { order } = this;
    for (let i = start + 1; i < stop; i++) {
      const moving = order[i]!;
      let at = i;
      for (; at > start; at--) {
        const before = order[at - 1]!;
        if (compareBytes(d, from[before]!, end[before]! + beyond, from[moving]!, end[moving]! + beyond) <= 0) break;
        order[at] = before;
      }
      order[at] = moving;
    }
  }

  /** Merges neighbouring sorted runs of `width`. */
  private mergeRuns(
    d: DataView,
    width: number,
    count: number,
    from: Uint32Array,
    end: Uint32Array,
    beyond: number,
  ): void {
    const { order, spare } = this;
    for (let start = 0; start < count; start += 2 * width) {
      const middle = Math.min(start + width, count);
      const stop = Math.min(start + 2 * width, count);
      let left = start;
      let right = middle;
      for (let to = start; to < stop; to++) {
        const a = order[left]!;
        const b = order[right]!;
        const takesLeft =
          left < middle &&
          (right >= stop || compareBytes(d, from[a]!, end[a]! + beyond, from[b]!, end[b]! + beyond) <= 0);
        spare[to] = takesLeft ? a : b;
        if (takesLeft) left++;
        else right++;
      }
    }
    this.order = spare;
    this.spare = order;
  }
}
