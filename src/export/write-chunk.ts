/**
 * The unit of an export: one chunk, its Parquet files and then its manifest. It may be done again by anybody, at any
 * time, several times at once: every object has one content, and is written where it is not there yet.
 */
import type { RecordBatch } from "apache-arrow";
import type { ChainEnds } from "../vocabulary/chain-ends.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { ChunkFiles } from "./chunk-files.ts";
import { type ChunkManifest, type ManifestFile, manifestBytes, parseManifest } from "./chunk-manifest.ts";
import { manifestKey, sha256Hex } from "./settings.ts";
import { put, putSame, readObject } from "./storage.ts";
import type { ExportTarget } from "./target.ts";

/** Where the rows of chunks come from. */
export interface RowReader {
  /**
   * The rows of a chunk with the export's filters and assets, in order and of the export's schema; the generator's return
   * is the chain of the chunk's ledgers, where it is known. May end early when the signal aborts.
   */
  read(chunk: LedgerRange, signal: AbortSignal): AsyncGenerator<RecordBatch, ChainEnds | undefined>;
}

/** Told of each file once it is durable. `isNew` is false where it was there already. */
export type FileListener = (file: ManifestFile & { isNew: boolean }) => void;

/** The manifest of a chunk; undefined where the chunk is not there yet. @throws CodedError as `parseManifest` */
export async function chunkManifest(
  { storage, digest }: ExportTarget,
  chunk: LedgerRange,
): Promise<ChunkManifest | undefined> {
  const key = manifestKey(chunk);
  const bytes = await readObject(storage, key);
  return bytes && parseManifest(storage.nameOf(key), bytes, chunk, digest);
}

/**
 * Writes one chunk. Holds in memory what of its files is not written, and one row group of each.
 * @param signal ends it; the chunk is not there then, and its files may be
 * @throws CodedError as the reader, `putSame`; the signal's reason
 */
export async function writeChunk(
  target: ExportTarget,
  chunk: LedgerRange,
  reader: RowReader,
  signal: AbortSignal,
  onFile: FileListener = () => {},
): Promise<ChunkManifest> {
  const { storage, settings, digest } = target;
  const files: ManifestFile[] = [];
  const chunkFiles = new ChunkFiles(settings, chunk);
  const keep = async ({ name, rows, bytes }: { name: string; rows: number; bytes: Uint8Array }) => {
    signal.throwIfAborted();
    const file = { name, rows, bytes: bytes.length, sha256: sha256Hex(bytes) };
    const isNew = await putSame(storage, name, bytes, signal);
    files.push(file);
    onFile({ ...file, isNew });
  };
  const batches = reader.read(chunk, signal);
  let step = await batches.next();
  for (; !step.done; step = await batches.next()) for (const file of chunkFiles.take(step.value)) await keep(file);
  signal.throwIfAborted(); // what ended early is no chunk
  for (const file of chunkFiles.end()) await keep(file);
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  const manifest: ChunkManifest = {
    ...{ export: digest, ledger_first: chunk.ledgerFirst, ledger_last: chunk.ledgerLast },
    rows: files.reduce((sum, { rows }) => sum + rows, 0),
    chain: step.value ?? null,
    files,
  };
  // its files are there with these bytes, so one that is there differs in what is known of the chain alone
  await put(storage, manifestKey(chunk), manifestBytes(manifest), signal);
  return manifest;
}
