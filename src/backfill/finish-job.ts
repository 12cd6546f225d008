/** Ends a job whose chunks are all there or set aside. */
import { CodedError } from "../error.ts";
import { putSame } from "../export/storage.ts";
import type { ExportTarget } from "../export/target.ts";
import { wholeBytes, wholeKey, wholeManifest } from "../export/whole-manifest.ts";
import type { ChunkBoard } from "./chunk-board.ts";
import { endJob, type Job, type JobEnd } from "./job.ts";

/**
 * Writes the manifest of the whole where it can be; says how the job has ended. Every worker may do so: the manifest follows
 * from what is there, and the first end holds.
 * @throws CodedError as the storage; the signal's reason
 */
export async function finishJob(
  target: ExportTarget,
  job: Job,
  board: ChunkBoard,
  signal: AbortSignal,
): Promise<JobEnd> {
  await board.refresh();
  const { storage } = target;
  const aside = board.in("set aside").length;
  if (aside > 0) {
    const message = `${aside} of ${board.chunks.length} chunks were set aside`;
    return endJob(storage, job, { state: "incomplete", message });
  }
  try {
    const whole = await wholeManifest(target, board.chunks, signal);
    const key = wholeKey(job.range);
    await putSame(storage, key, wholeBytes(whole), signal);
    const message = `${whole.rows} rows in ${whole.files} files of ${board.chunks.length} chunks, whose ledgers follow each other: ${storage.nameOf(key)}`;
    return await endJob(storage, job, { state: "complete", message });
  } catch (thrown) {
    const lasting = ["EXPORT_INCOMPLETE", "CHAIN_BROKEN", "EXPORT_CHANGED"];
    if (!(thrown instanceof CodedError) || !lasting.includes(thrown.reason)) throw thrown;
    return endJob(storage, job, { state: "incomplete", message: thrown.message });
  }
}
