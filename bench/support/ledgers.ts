/** Dense ledgers to measure with, and lakes made of them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { splitBatch } from "../../src/ledger/batch.ts";
import { ledgerHeader } from "../../src/ledger/header.ts";
import { lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { link } from "../../test/support/chain.ts";
import { ROOT, SAMPLE } from "../../test/support/processor.ts";

export const PUBNET = "Public Global Stellar Network ; September 2015";

const SHARED_LAKE = join(ROOT, "../shared/ledgers/lake");
const DENSE_BYTES_MIN = 1_000_000;
const LAYOUT = { ledgersPerBatch: 1, batchesPerPartition: 64000, extension: "zst" } as const;
const ZSTD_LEVEL = 3; // a lake writer's default

/** The shared lake where that is, else the sample. */
export const lakeFolder = (): string => (existsSync(SHARED_LAKE) ? SHARED_LAKE : SAMPLE.folder);

/** The shared lake's ledgers where that is, else the sample's dense ones. */
export function denseLedgers(): Uint8Array[] {
  const folder = lakeFolder();
  const all = ledgersOf(folder);
  return folder === SHARED_LAKE ? all : all.filter((bytes) => bytes.length > DENSE_BYTES_MIN);
}

/** Every ledger of a lake's folder, in memory of its own, the newest first. */
export function ledgersOf(folder: string): Uint8Array[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".zst"));
  const all: Uint8Array[] = [];
  for (const file of files.sort()) {
    const inflated = Bun.zstdDecompressSync(readFileSync(join(folder, file)));
    for (const { bytes } of splitBatch(inflated)) all.push(new Uint8Array(bytes)); // a Buffer's slice would be a view
  }
  return all;
}

/** The one of them whose size is nearest to `bytesWanted`. */
export function ledgerOfSize(bytesWanted: number): Uint8Array {
  const off = (bytes: Uint8Array) => Math.abs(bytes.length - bytesWanted);
  return denseLedgers().reduce((best, bytes) => (off(bytes) < off(best) ? bytes : best));
}

/**
 * Writes ledgers `first` … `first + count - 1`, the given ones over and over under new numbers, one a file. Their chain
 * holds.
 */
export function writeLake(folder: string, from: readonly Uint8Array[], first: number, count: number): void {
  let hash: Uint8Array = new Uint8Array(32);
  for (let n = 0; n < count; n++) {
    const template = from[n % from.length]!;
    const batch = new Uint8Array(12 + template.length);
    const view = new DataView(batch.buffer);
    view.setUint32(0, first + n);
    view.setUint32(4, first + n);
    view.setUint32(8, 1);
    batch.set(template, 12);
    view.setUint32(12 + ledgerHeader(template).offsets.sequence, first + n);
    hash = link(batch.subarray(12), hash);
    const path = join(folder, lakeKey(LAYOUT, first + n));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, Bun.zstdCompressSync(batch, { level: ZSTD_LEVEL }));
  }
}
