/**
 * Huffman-coded strings of HPACK (RFC 7541, section 5.2 and appendix B). The code is canonical: codes of one length are
 * consecutive numbers in the order of their symbols, and longer ones go on where shorter ones ended. So the lengths say it
 * all.
 */

const EOS = 256;
const LENGTH_MAX = 30;
const PADDING_BITS_MAX = 7;

/** Bits of each symbol's code, by symbol; the last is EOS. */
// biome-ignore format: sixteen symbols a line
const CODE_BITS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

/** Symbols in the order of their codes. */
const SYMBOLS = CODE_BITS.map((_, symbol) => symbol).sort((a, b) => CODE_BITS[a]! - CODE_BITS[b]! || a - b);

/** By length: its first code, and where that one's symbol stands in SYMBOLS; one after the last code is `first + count`. */
const LENGTHS = Array.from({ length: LENGTH_MAX + 1 }, () => ({ first: 0, at: 0, count: 0 }));
for (const bits of CODE_BITS) LENGTHS[bits]!.count++;
for (let bits = 1; bits <= LENGTH_MAX; bits++) {
  const { first, at, count } = LENGTHS[bits - 1]!;
  LENGTHS[bits]!.first = (first + count) << 1;
  LENGTHS[bits]!.at = at + count;
}

/** The string's octets as characters. @throws RangeError for bits that are no such string */
export function huffmanDecode(bytes: Uint8Array): string {
  let text = "";
  let code = 0;
  let bits = 0;
  for (const byte of bytes) {
    for (let shift = 7; shift >= 0; shift--) {
      code = (code << 1) | ((byte >> shift) & 1);
      if (++bits > LENGTH_MAX) throw new RangeError("a Huffman-coded string has a code that does not exist");
      const { first, at, count } = LENGTHS[bits]!;
      if (code - first >= count) continue;
      const symbol = SYMBOLS[at + code - first]!;
      if (symbol === EOS) throw new RangeError("a Huffman-coded string has its end mark inside");
      text += String.fromCharCode(symbol);
      code = 0;
      bits = 0;
    }
  }
  if (bits > PADDING_BITS_MAX || code !== (1 << bits) - 1) {
    throw new RangeError("a Huffman-coded string ends inside a code");
  }
  return text;
}
