/** What a chunk of an export is, as the object says that is written last: with it the chunk is there, without it it is not. */
import { CodedError } from "../error.ts";
import type { ChainEnds } from "../vocabulary/chain-ends.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { jsonBytes, parseJson } from "./settings.ts";

/** A Parquet file of a chunk. */
export interface ManifestFile {
  /** Key in the export. */
  name: string;
  rows: number;
  bytes: number;
  /** Hex. */
  sha256: string;
}

/** The content of `_export/chunks/….json`. */
export interface ChunkManifest {
  /** Digest of the export's settings. */
  export: string;
  ledger_first: number;
  ledger_last: number;
  rows: number;
  /** Null where the rows came from a server that does not tell: one of an earlier version, or with VERIFY_CHAIN=off. */
  chain: ChainEnds | null;
  /** Sorted by name; none where no ledger has rows. */
  files: ManifestFile[];
}

/** The same manifest has the same bytes. */
export function manifestBytes(manifest: ChunkManifest): Uint8Array {
  return jsonBytes(manifest);
}

/** @param chunk, digest that it has to be of. @throws CodedError DATA_LOSS / EXPORT_CHANGED where it is not */
export function parseManifest(name: string, bytes: Uint8Array, chunk: LedgerRange, digest: string): ChunkManifest {
  const manifest = parseJson(name, bytes) as ChunkManifest;
  const { ledger_first, ledger_last, rows, files } = manifest;
  const isWhole =
    manifest.export === digest &&
    ledger_first === chunk.ledgerFirst &&
    ledger_last === chunk.ledgerLast &&
    Array.isArray(files) &&
    rows === files.reduce((sum, file) => sum + file.rows, 0);
  if (isWhole) return manifest;
  const message = `${name}: it is no manifest of ledgers ${chunk.ledgerFirst} to ${chunk.ledgerLast} in export ${digest}`;
  throw new CodedError("DATA_LOSS", "EXPORT_CHANGED", message);
}
