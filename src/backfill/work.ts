/** A worker of a job: takes chunks and writes them until none is left, then ends the job. */
import { backoffMs } from "../base/backoff.ts";
import { pause } from "../base/pause.ts";
import { CodedError } from "../error.ts";
import type { ExportTarget } from "../export/target.ts";
import { chunkManifest, type FileListener, type RowReader, writeChunk } from "../export/write-chunk.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import type { ChunkBoard } from "./chunk-board.ts";
import type { ChunkQueue, TakenChunk } from "./chunk-queue.ts";
import { finishJob } from "./finish-job.ts";
import { endOf, type Job, type JobEnd } from "./job.ts";
import type { WorkerBeat } from "./worker-beat.ts";

/** Between two tries of what may mend: the first and the longest pause. */
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 30_000;
/** A chunk whose source or place stays away for so long is somebody else's next: it may be that one object alone. */
const CHUNK_RETRIES_MAX = 20; // some ten minutes

/** What a worker tells. */
export interface WorkListener {
  file: FileListener;
  begun(chunk: LedgerRange, number: number): void;
  /** `isNew` is false where it was there. */
  done(chunk: LedgerRange, rows: number, isNew: boolean): void;
  failed(chunk: LedgerRange, why: CodedError): void;
  /** Something is away, and is asked again. */
  waiting(trouble: CodedError): void;
}

/** What a worker works with. */
interface Work {
  target: ExportTarget;
  job: Job;
  board: ChunkBoard;
  queue: ChunkQueue;
  beat: WorkerBeat;
  reader: RowReader;
  listener: WorkListener;
}

/**
 * Works until the job has ended. A chunk that fails by itself (a ledger that cannot be decoded, say) is given up, and counts
 * against the chunk; what is wrong with this worker (another network, no rights) ends the worker alone.
 * @param signal ends it: the chunk in hand is given back
 * @throws CodedError what is wrong with this worker; the signal's reason
 */
export async function work(given: Work, signal: AbortSignal): Promise<JobEnd> {
  const { target, job, board, queue, beat, listener } = given;
  const ended = (end: JobEnd) => queue.drop().then(() => end);
  await beat.start();
  try {
    const until = AbortSignal.any([signal, beat.jobEnded]);
    for (;;) {
      const end = await patiently(() => endOf(target.storage, job), until, listener);
      if (end !== undefined) return await ended(end);
      const taken = await patiently(() => queue.take(until), until, listener);
      if (taken === undefined) {
        return await ended(await patiently(() => finishJob(target, job, board, until), until, listener));
      }
      await oneChunk(given, taken, until);
    }
  } catch (thrown) {
    signal.throwIfAborted();
    if (beat.jobEnded.aborted) return await ended(beat.jobEnded.reason as JobEnd);
    throw thrown;
  } finally {
    await beat.stop();
  }
}

async function oneChunk(
  { target, reader, beat, listener }: Work,
  taken: TakenChunk,
  until: AbortSignal,
): Promise<void> {
  const { chunk, number } = taken;
  listener.begun(chunk, number);
  beat.on(chunk);
  try {
    const write = async () => {
      const there = await chunkManifest(target, chunk);
      const { rows } = there ?? (await writeChunk(target, chunk, reader, until, listener.file));
      return { rows, isNew: there === undefined };
    };
    const { rows, isNew } = await patiently(write, until, listener, CHUNK_RETRIES_MAX);
    if (isNew) beat.wrote(rows);
    listener.done(chunk, rows, isNew);
  } catch (thrown) {
    const error = CodedError.from(thrown);
    if (!until.aborted && isOfChunk(error)) {
      listener.failed(chunk, error);
      await patiently(() => taken.giveUp("failed", error), until, listener);
      return;
    }
    const stopped = new CodedError("UNAVAILABLE", "BACKFILL_WORKER_STOPPED", `worker ${beat.worker} was asked to end`);
    await taken.giveUp("returned", until.aborted ? stopped : error).catch(() => {}); // its lease will end
    throw thrown;
  } finally {
    beat.on(undefined);
  }
  await patiently(() => taken.done(), until, listener);
}

/** Whether another worker would meet the same. */
function isOfChunk({ code, reason }: CodedError): boolean {
  const codes = ["DATA_LOSS", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE"];
  return codes.includes(code) || reason === "LEDGER_MISSING";
}

/** Asks again what may mend. @param retriesMax then its error is thrown; default: for ever */
async function patiently<T>(
  what: () => Promise<T>,
  until: AbortSignal,
  listener: WorkListener,
  retriesMax: number = Number.POSITIVE_INFINITY,
): Promise<T> {
  for (let retries = 0; ; retries++) {
    until.throwIfAborted();
    try {
      return await what();
    } catch (thrown) {
      until.throwIfAborted();
      const error = CodedError.from(thrown);
      if (!error.retryable || retries >= retriesMax) throw thrown;
      listener.waiting(error);
      await pause(backoffMs(retries, RETRY_MS_MIN, RETRY_MS_MAX), until);
    }
  }
}
