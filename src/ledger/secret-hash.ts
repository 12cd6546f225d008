/** Hashing and comparing the 32-byte ids inside a ledger's bytes. HOT PATH. */

// Multilinear hashing with multipliers that no ledger's author can know: a ledger made of colliding ids cannot turn a
// look-up into quadratic work. They decide where an entry lies in a table, never what comes out. The sum is then mixed
// (by the finalizer of MurmurHash3): ids that differ by a fixed step would else lie in a table at a fixed step too, and
// with one process's multipliers in a hundred that step is next to nothing.
const MULTIPLIERS = Int32Array.from({ length: 8 }, () => (Math.random() * 0x1_0000_0000) | 1);

/** A 32-bit hash of the 32 bytes at `p`, different in every process. */
export function secretHash(d: DataView, p: number): number {
  let sum = 0;
  for (let i = 0; i < 8; i++) sum = (sum + Math.imul(d.getInt32(p + 4 * i), MULTIPLIERS[i]!)) | 0;
  sum = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  sum = Math.imul(sum ^ (sum >>> 13), 0xc2b2ae35);
  return (sum ^ (sum >>> 16)) >>> 0;
}

/** Whether the same 32 bytes lie at `at` in `a` and at `bt` in `b`. */
export function sameId(a: DataView, at: number, b: DataView, bt: number): boolean {
  for (let i = 0; i < 32; i += 4) {
    if (a.getInt32(at + i) !== b.getInt32(bt + i)) return false;
  }
  return true;
}
