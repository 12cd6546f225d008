/** One manifest of a whole range: it proves that every chunk is there, and that their ledgers follow each other. */
import { createHash } from "node:crypto";
import { CodedError } from "../error.ts";
import type { ChainEnds } from "../vocabulary/chain-ends.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { type ChunkManifest, manifestBytes } from "./chunk-manifest.ts";
import { jsonBytes, KEYS, manifestKey, rangeName, sha256Hex } from "./settings.ts";
import type { ExportTarget } from "./target.ts";
import { chunkManifest } from "./write-chunk.ts";

const READS = 16; // manifests that are read at a time: a round trip each

/** The content of `_export/wholes/….json`. It follows from the ledgers and the settings alone. */
interface WholeManifest {
  /** Digest of the export's settings. */
  export: string;
  /** Ends of the chunks that hold the range, which may reach beyond it. */
  ledger_first: number;
  ledger_last: number;
  chain: ChainEnds;
  rows: number;
  files: number;
  bytes: number;
  /** sha256 over the settings and the chunks' manifests, hex: what `export verify` tells of an export of this range alone. */
  digest: string;
  /** In the order of their ledgers. */
  chunks: { name: string; sha256: string }[];
}

/** Key of a range's manifest. */
export function wholeKey(range: LedgerRange): string {
  return `${KEYS.wholes}/${rangeName(range)}.json`;
}

/** The same manifest has the same bytes. */
export function wholeBytes(whole: WholeManifest): Uint8Array {
  return jsonBytes(whole);
}

/**
 * @param chunks of a range, in the order of their ledgers
 * @throws CodedError FAILED_PRECONDITION / EXPORT_INCOMPLETE where one is not there, or its chain is not known; DATA_LOSS /
 * CHAIN_BROKEN where one does not follow the one before; as `parseManifest`
 */
export async function wholeManifest(
  target: ExportTarget,
  chunks: readonly LedgerRange[],
  signal: AbortSignal,
): Promise<WholeManifest> {
  const digest = createHash("sha256").update(jsonBytes(target.settings));
  const sums = { rows: 0, files: 0, bytes: 0 };
  const named: WholeManifest["chunks"] = [];
  let [first, before]: (ChunkManifest | undefined)[] = [];
  for (let at = 0; at < chunks.length; at += READS) {
    signal.throwIfAborted();
    const some = chunks.slice(at, at + READS);
    for (const manifest of await Promise.all(some.map((chunk) => manifestOf(target, chunk)))) {
      checkFollows(before, manifest);
      const bytes = manifestBytes(manifest);
      digest.update(bytes);
      named.push({ name: `${rangeName(rangeOf(manifest))}.json`, sha256: sha256Hex(bytes) });
      sums.rows += manifest.rows;
      sums.files += manifest.files.length;
      sums.bytes += manifest.files.reduce((sum, file) => sum + file.bytes, 0);
      first ??= manifest;
      before = manifest;
    }
  }
  return {
    export: target.digest,
    ledger_first: first!.ledger_first,
    ledger_last: before!.ledger_last,
    chain: {
      previous_ledger_hash: first!.chain!.previous_ledger_hash,
      ledger_hash: before!.chain!.ledger_hash,
    },
    ...sums,
    digest: digest.digest("hex"),
    chunks: named,
  };
}

async function manifestOf(target: ExportTarget, chunk: LedgerRange): Promise<ChunkManifest> {
  const manifest = await chunkManifest(target, chunk);
  const name = target.storage.nameOf(manifestKey(chunk));
  if (manifest === undefined) throw incomplete(`${name}: it is not there: export its ledgers first`);
  if (manifest.chain !== null) return manifest;
  throw incomplete(
    `${name}: its rows came from a server that told nothing of the chain (an earlier version, or VERIFY_CHAIN=off): export to another place`,
  );
}

function checkFollows(before: ChunkManifest | undefined, { ledger_first, chain }: ChunkManifest): void {
  if (before === undefined || before.chain!.ledger_hash === chain!.previous_ledger_hash) return;
  const message = `ledger ${ledger_first} follows ${chain!.previous_ledger_hash}, and ledger ${before.ledger_last} is ${before.chain!.ledger_hash}: one of their chunks was read from a source that is not sound`;
  throw new CodedError("DATA_LOSS", "CHAIN_BROKEN", message);
}

function rangeOf({ ledger_first: ledgerFirst, ledger_last: ledgerLast }: ChunkManifest): LedgerRange {
  return { ledgerFirst, ledgerLast };
}

function incomplete(message: string): CodedError {
  return new CodedError("FAILED_PRECONDITION", "EXPORT_INCOMPLETE", message);
}
