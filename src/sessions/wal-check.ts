/**
 * Looks for damage in SQLite's write-ahead log, where SQLite itself sees none: it takes the first frame with a wrong
 * checksum for the end of the log, and everything behind it, committed or not, is gone without a word. A crash can
 * only leave a bad frame at the end; one with good frames of the same log behind it is damage.
 * Format: https://www.sqlite.org/fileformat2.html, section 4.
 */
const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682; // the lowest bit says in which byte order checksums are made

/** What is wrong with the log; undefined where nothing is. */
export function walDamage(wal: Uint8Array): string | undefined {
  if (wal.length === 0) return undefined;
  if (wal.length < HEADER_BYTES) return `it has ${wal.length} bytes, too few for its header`;
  const view = new DataView(wal.buffer, wal.byteOffset, wal.byteLength);
  const magic = view.getUint32(0);
  if ((magic & ~1) >>> 0 !== MAGIC) return "its header does not begin as one does";
  const little = (magic & 1) === 0;
  const sum: [number, number] = [0, 0];
  add(view, 0, 24, little, sum);
  if (sum[0] !== view.getUint32(24) || sum[1] !== view.getUint32(28)) return "its header has a wrong checksum";
  const frameBytes = FRAME_HEADER_BYTES + view.getUint32(8);
  const salt1 = view.getUint32(16);
  const salt2 = view.getUint32(20);
  const ours = (at: number) => view.getUint32(at + 8) === salt1 && view.getUint32(at + 12) === salt2;
  let bad: number | undefined;
  for (let at = HEADER_BYTES, frame = 1; at + frameBytes <= wal.length; at += frameBytes, frame++) {
    if (bad !== undefined) {
      // Frames of an earlier log have other salts and may lie behind the end of this one.
      if (ours(at)) return `frame ${bad} is damaged, and frame ${frame} was written after it`;
      continue;
    }
    add(view, at, 8, little, sum);
    add(view, at + FRAME_HEADER_BYTES, frameBytes - FRAME_HEADER_BYTES, little, sum);
    if (!ours(at) || sum[0] !== view.getUint32(at + 16) || sum[1] !== view.getUint32(at + 20)) bad = frame;
  }
  return undefined;
}

function add(view: DataView, at: number, bytes: number, little: boolean, sum: [number, number]): void {
  let [a, b] = sum;
  for (let end = at + bytes; at < end; at += 8) {
    a = (a + view.getUint32(at, little) + b) >>> 0;
    b = (b + view.getUint32(at + 4, little) + a) >>> 0;
  }
  sum[0] = a;
  sum[1] = b;
}
