/** A fixed set of asset codes that is asked about codes inside a ledger's bytes. HOT PATH. */
import { CODE_BYTES_MAX } from "./asset-contract.ts";

// Where a code lies in the table follows from a number that no ledger's author can know, as in secret-hash.ts.
const SEED = (Math.random() * 0x1_0000_0000) | 0;
const FNV_PRIME = 0x01000193;

/** Asset codes, found by hashing. */
export class CodeSet {
  /** Open addressing: 0 is empty, else 1 + number of the code. */
  private readonly slots: Uint32Array;
  /** CODE_BYTES_MAX bytes a code, the rest of them zero. */
  private readonly codes: Uint8Array;
  /** The code that is asked about, without its NULs. */
  private readonly asked = new Uint8Array(CODE_BYTES_MAX);

  /** @param codes of 1 to CODE_BYTES_MAX bytes, none of them NUL */
  constructor(codes: readonly Uint8Array[]) {
    let slots = 4;
    while (slots < codes.length * 2) slots *= 2;
    this.slots = new Uint32Array(slots);
    this.codes = new Uint8Array(codes.length * CODE_BYTES_MAX);
    codes.forEach((code, number) => {
      this.codes.set(code, number * CODE_BYTES_MAX);
      this.asked.fill(0);
      this.asked.set(code);
      const slot = this.find();
      if (this.slots[slot] === 0) this.slots[slot] = 1 + number;
    });
  }

  /** Whether the code of `bytes` bytes at `p` is one of the set. NULs in it do not count, as in the asset_code column. */
  has(d: DataView, p: number, bytes: number): boolean {
    const { asked } = this;
    let length = 0;
    for (let i = 0; i < bytes; i++) {
      const byte = d.getUint8(p + i);
      if (byte !== 0) asked[length++] = byte;
    }
    asked.fill(0, length);
    return this.slots[this.find()] !== 0;
  }

  /** The slot of the code in `asked`, or the empty one where it belongs. */
  private find(): number {
    const { slots, codes, asked } = this;
    const mask = slots.length - 1;
    let hash = SEED;
    for (let i = 0; i < CODE_BYTES_MAX; i++) hash = Math.imul(hash ^ asked[i]!, FNV_PRIME);
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (let entry = slots[slot]!; entry !== 0; entry = slots[slot]!) {
      const at = (entry - 1) * CODE_BYTES_MAX;
      let i = 0;
      while (i < CODE_BYTES_MAX && codes[at + i] === asked[i]) i++;
      if (i === CODE_BYTES_MAX) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}
