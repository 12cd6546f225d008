/** The real ledgers in test/fixtures/ledgers, each as the XDR of one LedgerCloseMeta. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { splitBatch } from "../../src/ledger/batch.ts";

const FIXTURES = new URL("../fixtures/ledgers/", import.meta.url);

function inflated(name: string): Uint8Array {
  return new Uint8Array(Bun.zstdDecompressSync(readFileSync(new URL(name, FIXTURES))));
}

/** Pubnet 58752000: V1, protocol 22. */
export function ledger58752000(): Uint8Array {
  return inflated("58752000.xdr.zst");
}

/** Pubnet 53312000: V1, protocol 21. */
export function ledger53312000(): Uint8Array {
  return [...splitBatch(inflated("FCD285FF--53312000.xdr.zstd"))][0]!.bytes;
}

/** Two ledgers of a load-test network: V2, protocol 23, a record-marked stream (RFC 5531, section 11). */
export function loadTestLedgers(): Uint8Array[] {
  return recordsOf(inflated("load-test-ledgers.xdr.zstd"));
}

/** The records of a record-marked stream, each one fragment, which is how stellar-core writes ledgers. */
export function recordsOf(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint32(at) & 0x7fff_ffff;
    found.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return found;
}

/** Five pubnet ledgers from before Soroban: V0. */
export function classicLedgers(): Uint8Array[] {
  const lines = gunzipSync(readFileSync(new URL("ledgers-base64.txt.gz", FIXTURES)))
    .toString()
    .trim()
    .split("\n");
  return lines.map((line) => new Uint8Array(Buffer.from(line, "base64")));
}
