/** A fixed set of 32-byte ids that is asked about ids lying inside a ledger's bytes. HOT PATH. */

/** The 8 words of an id, as DataView reads them. */
const WORDS = 8;

export class IdSet {
  readonly size: number;
  /** Open addressing on the first word: 0 is empty, else 1 + index of the id. */
  private readonly slots: Uint32Array;
  private readonly words: Uint32Array;
  private readonly mask: number;

  constructor(ids: readonly Uint8Array[]) {
    this.size = ids.length;
    this.words = new Uint32Array(ids.length * WORDS);
    let slots = 4;
    while (slots < ids.length * 2) slots *= 2;
    this.slots = new Uint32Array(slots);
    this.mask = slots - 1;
    ids.forEach((id, index) => {
      const view = new DataView(id.buffer, id.byteOffset, 32);
      for (let w = 0; w < WORDS; w++) this.words[index * WORDS + w] = view.getUint32(w * 4);
      let slot = view.getUint32(0) & this.mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask;
      this.slots[slot] = index + 1;
    });
  }

  /** Whether the 32 bytes at `p` are one of the ids. */
  has(d: DataView, p: number): boolean {
    let slot = d.getUint32(p) & this.mask;
    for (;;) {
      const entry = this.slots[slot]!;
      if (entry === 0) return false;
      let w = 0;
      const base = (entry - 1) * WORDS;
      while (w < WORDS && this.words[base + w] === d.getUint32(p + w * 4)) w++;
      if (w === WORDS) return true;
      slot = (slot + 1) & this.mask;
    }
  }
}
