/** Comparing 4-byte aligned XDR where it lies; words are read signed, which is faster (see columns/encode.ts). HOT PATH. */

/** Whether [a, aEnd) and [b, bEnd) hold the same bytes; both lengths are multiples of 4. */
export function sameBytes(d: DataView, a: number, aEnd: number, b: number, bEnd: number): boolean {
  if (aEnd - a !== bEnd - b) return false;
  for (; a < aEnd; a += 4, b += 4) {
    if (d.getInt32(a) !== d.getInt32(b)) return false;
  }
  return true;
}

/** Bytewise order of [a, aEnd) and [b, bEnd): negative, 0 or positive; both lengths are multiples of 4. */
export function compareBytes(d: DataView, a: number, aEnd: number, b: number, bEnd: number): number {
  const end = a + Math.min(aEnd - a, bEnd - b);
  for (; a < end; a += 4, b += 4) {
    const left = d.getInt32(a);
    const right = d.getInt32(b);
    if (left !== right) return left >>> 0 < right >>> 0 ? -1 : 1;
  }
  return aEnd - a - (bEnd - b);
}

/** Big-endian signed 32-bit word of four ASCII characters; `\0` stands for padding. */
export function word(text: string): number {
  let value = 0;
  for (let i = 0; i < 4; i++) value = (value << 8) | (text.charCodeAt(i) & 0xff);
  return value;
}
