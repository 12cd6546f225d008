/** Text that the XDR-JSON writer writes four bytes at once, and how it escapes the bytes of strings. HOT PATH. */

/** Text made ready for writing four bytes at once; up to three bytes more than its length are touched. */
export interface Literal {
  length: number;
  words: readonly number[];
}

/** @param text ASCII */
export function literal(text: string): Literal {
  const words: number[] = [];
  for (let i = 0; i < text.length; i += 4) {
    let word = 0;
    for (let k = 3; k >= 0; k--) word = (word << 8) | (text.charCodeAt(i + k) & 0xff || 0);
    words.push(word);
  }
  return { length: text.length, words };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** What a byte of a string is written as, inside JSON; one character each for most. */
export const ESCAPES: readonly Literal[] = Array.from({ length: 256 }, (_, byte) => {
  const short = new Map([
    [0x00, "\\\\0"],
    [0x09, "\\\\t"],
    [0x0a, "\\\\n"],
    [0x0d, "\\\\r"],
    [BACKSLASH, "\\\\\\\\"],
    [QUOTE, '\\"'],
  ]).get(byte);
  if (short !== undefined) return literal(short);
  return literal(
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\\\x${byte.toString(16).padStart(2, "0")}`,
  );
});
/** Longest of them. */
export const ESCAPE_BYTES_MAX = 5; // \\x and two digits
/** Whether a byte stands for itself. */
export const IS_PLAIN: Uint8Array = new Uint8Array(ESCAPES.map(({ length }) => (length === 1 ? 1 : 0)));
