/** A range of ledgers into an export: the chunks that are not there yet, one after the other. */
import { backoffMs } from "../base/backoff.ts";
import { pause } from "../base/pause.ts";
import { CodedError } from "../error.ts";
import { isPassing, RETRY_MS_MAX, RETRY_MS_MIN } from "../flight-client/passing.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { chunksOf, chunksWithin, claimRange, readRanges, without } from "./ranges.ts";
import type { ExportTarget } from "./target.ts";
import { chunkManifest, type FileListener, type RowReader, writeChunk } from "./write-chunk.ts";

/** What an export tells. */
interface ExportListener {
  file: FileListener;
  /** The reader or the place has failed in a way that time may mend. */
  retry(error: CodedError, waitMs: number): void;
  /** A chunk is there: `isNew` where it was written now. @param done ledgers of the range, so far */
  chunk(isNew: boolean, rows: number, done: number): void;
}

/** What was done, and what was there. */
export interface ExportResult {
  rows: number;
  chunks: number;
  chunksNew: number;
}

/** How many chunks of the range there are to write, and how many are there; nothing is changed. */
export async function planExport(
  target: ExportTarget,
  wanted: LedgerRange,
): Promise<{ chunks: number; there: number }> {
  const ranges = await readRanges(target.storage);
  const missing = without(wanted, ranges);
  const chunks = chunksOf([...missing, ...without(wanted, missing)], target.settings.chunk_ledgers);
  let there = 0;
  for (const chunk of chunksWithin(ranges, target.settings.chunk_ledgers, wanted)) {
    if ((await chunkManifest(target, chunk)) !== undefined) there++;
  }
  return { chunks: chunks.length, there };
}

/**
 * Writes what of the range is not there yet. It may end at any instant, and be done by several at once: whoever does the
 * same again goes on behind the chunks that are there. A chunk is begun again for as long as what fails may pass.
 * @throws CodedError as `claimRange`, and what of `writeChunk` does not pass
 */
export async function exportRange(
  target: ExportTarget,
  wanted: LedgerRange,
  reader: RowReader,
  signal: AbortSignal,
  listener: ExportListener,
): Promise<ExportResult> {
  const ranges = await claimRange(target.storage, wanted);
  const onFile: FileListener = (file) => listener.file(file);
  const result: ExportResult = { rows: 0, chunks: 0, chunksNew: 0 };
  for (const chunk of chunksWithin(ranges, target.settings.chunk_ledgers, wanted)) {
    signal.throwIfAborted();
    const there = await chunkManifest(target, chunk);
    const { rows } =
      there ?? (await written(() => writeChunk(target, chunk, reader, signal, onFile), signal, listener));
    result.rows += rows;
    result.chunks += 1;
    if (there === undefined) result.chunksNew += 1;
    listener.chunk(there === undefined, rows, Math.min(chunk.ledgerLast, wanted.ledgerLast) - wanted.ledgerFirst + 1);
  }
  return result;
}

async function written<T>(write: () => Promise<T>, signal: AbortSignal, listener: ExportListener): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await write();
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (signal.aborted || !isPassing(error)) throw thrown;
      const waitMs = backoffMs(failures, RETRY_MS_MIN, RETRY_MS_MAX);
      listener.retry(error, waitMs);
      await pause(waitMs, signal);
      signal.throwIfAborted();
    }
  }
}
