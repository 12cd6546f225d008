/** The ledgers beside the repository, where they are there: tests that want them are skipped, with a message, else. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export const SHARED = join(import.meta.dir, "../../../shared/ledgers");
export const hasShared = existsSync(SHARED);
if (!hasShared) console.warn("skipping the tests on ../shared/ledgers, which is not there");

export function readText(path: string): string {
  return readFileSync(join(SHARED, path), "utf8");
}

export function readGzipText(path: string): string {
  return gunzipSync(readFileSync(join(SHARED, path))).toString();
}

/** A file's content, inflated. */
export function readLedgers(path: string): Uint8Array {
  const bytes = new Uint8Array(readFileSync(join(SHARED, path)));
  return bytes[0] === 0x28 && bytes[1] === 0xb5 ? new Uint8Array(Bun.zstdDecompressSync(bytes)) : bytes;
}

/** The messages of a record-marked stream (RFC 5531, section 11), each one LedgerCloseMeta. */
export function records(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint32(at) & 0x7fff_ffff;
    found.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return found;
}

/** Paths under `folder` (and its folders) that end in `suffix`, sorted. */
export function filesUnder(folder: string, suffix: string): string[] {
  if (!hasShared) return [];
  return readdirSync(join(SHARED, folder), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => `${folder}/${name}`);
}
