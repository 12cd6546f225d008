/** The ledgers beside the repository, where they are there: tests that want them are skipped, with a message, else. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { sharedFolder } from "../support/shared.ts";

const LEDGERS = sharedFolder("ledgers");
export const hasShared = LEDGERS !== undefined;

/** Where a file or folder of ../shared/ledgers lies. @throws Error where ../shared/ledgers is not there */
export function sharedPath(path: string): string {
  if (LEDGERS === undefined) throw new Error(`no ${path}: ../shared/ledgers is not there`);
  return join(LEDGERS, path);
}

export function readText(path: string): string {
  return readFileSync(sharedPath(path), "utf8");
}

export function readGzipText(path: string): string {
  return gunzipSync(readFileSync(sharedPath(path))).toString();
}

/** A file's content, inflated. */
export function readLedgers(path: string): Uint8Array {
  const bytes = new Uint8Array(readFileSync(sharedPath(path)));
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
  return readdirSync(sharedPath(folder), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => `${folder}/${name}`);
}
