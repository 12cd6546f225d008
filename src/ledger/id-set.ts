/** A fixed set of ids of one length (a multiple of 4 bytes) that is asked about ids inside a ledger's bytes. HOT PATH. */

/** Ids, found by open addressing. */
export class IdSet {
  readonly size: number;
  /** Open addressing on the first word: 0 is empty, else 1 + index of the id. */
  private readonly slots: Uint32Array;
  private readonly words: Int32Array;
  private readonly mask: number;
  /** 32-bit words of one id, as DataView reads them. */
  private readonly idWords: number;

  constructor(ids: readonly Uint8Array[]) {
    this.size = ids.length;
    this.idWords = (ids[0]?.length ?? 0) >> 2;
    this.words = new Int32Array(ids.length * this.idWords);
    let slots = 4;
    while (slots < ids.length * 2) slots *= 2;
    this.slots = new Uint32Array(slots);
    this.mask = slots - 1;
    ids.forEach((id, index) => {
      const view = new DataView(id.buffer, id.byteOffset, id.length);
      for (let w = 0; w < this.idWords; w++) this.words[index * this.idWords + w] = view.getInt32(w * 4);
      let slot = this.home(view, 0);
      while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask;
      this.slots[slot] = index + 1;
    });
  }

  /** Where the search for the id at `p` begins: its last words, for a muxed account's first one is mostly zero. */
  private home(d: DataView, p: number): number {
    return d.getInt32(p + 4 * this.idWords - 4) & this.mask;
  }

  /** Whether the id at `p` is one of the set. */
  has(d: DataView, p: number): boolean {
    const { idWords: words } = this;
    let slot = this.home(d, p);
    for (;;) {
      const entry = this.slots[slot]!;
      if (entry === 0) return false;
      let w = 0;
      const base = (entry - 1) * words;
      while (w < words && this.words[base + w] === d.getInt32(p + w * 4)) w++;
      if (w === words) return true;
      slot = (slot + 1) & this.mask;
    }
  }
}
