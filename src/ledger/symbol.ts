/** Symbols inside ScVals, compared without making a string. */
import { word } from "./bytes.ts";
import { SCV_SYMBOL } from "./terms.ts";

/** An ASCII symbol made ready for comparing. */
export class SymbolPattern {
  /** Encoded size of the ScVal: discriminant, length, characters, padding. */
  readonly bytes: number;
  private readonly words: number[] = [];
  private readonly lastMask: number;

  constructor(private readonly text: string) {
    const padded = Math.ceil(text.length / 4) * 4;
    for (let i = 0; i < padded; i += 4) this.words.push(word(text.slice(i, i + 4).padEnd(4, "\0")));
    // Padding is not looked at: the walkers do not validate it either.
    this.lastMask = text.length % 4 === 0 ? -1 : -1 << (8 * (4 - (text.length % 4)));
    this.bytes = 8 + padded;
  }

  /** Whether the ScVal at `p` is this symbol. */
  matches(d: DataView, p: number): boolean {
    return d.getInt32(p) === SCV_SYMBOL && this.matchesText(d, p + 4);
  }

  /** Whether the XDR string at `p` (length, characters) is this text. */
  private matchesText(d: DataView, p: number): boolean {
    if (d.getInt32(p) !== this.text.length) return false;
    const last = this.words.length - 1;
    for (let i = 0; i < last; i++) {
      if (d.getInt32(p + 4 + 4 * i) !== this.words[i]) return false;
    }
    return (d.getInt32(p + 4 + 4 * last) & this.lastMask) === this.words[last];
  }
}
