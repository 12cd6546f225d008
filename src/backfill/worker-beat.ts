/**
 * What a worker says of itself: an object that it writes anew in every third part of a lease. Others see by it that the worker
 * lives, whatever their clocks say (lost-workers.ts), and the worker sees by the same turn that the job has ended.
 */
import { pause } from "../base/pause.ts";
import { CodedError } from "../error.ts";
import { jsonBytes, parseJson, rangeName } from "../export/settings.ts";
import { namesIn, readObject } from "../export/storage.ts";
import type { WritableStorage } from "../sources/lake/lake-storage.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { endOf, type Job, type JobEnd } from "./job.ts";

const BEATS_A_LEASE = 3; // two may come late

/** The content of `workers/….json`. */
export interface WorkerRecord {
  worker: string;
  /** Counts up. */
  beat: number;
  /** Name of the chunk that it writes; null between two. */
  chunk: string | null;
  /** Chunks and rows that it has written. */
  chunks: number;
  rows: number;
  /** True: it has ended by itself. */
  ended: boolean;
}

/** Key of a worker's record. */
export function workerKey({ folder }: Job, worker: string): string {
  return `${folder}/workers/${worker}.json`;
}

/** What all workers of a job have said last. @throws CodedError as the storage */
export async function workersOf(storage: WritableStorage, job: Job): Promise<WorkerRecord[]> {
  const records: WorkerRecord[] = [];
  for (const name of await namesIn(storage, `${job.folder}/workers`)) {
    if (name.startsWith(".")) continue;
    const key = `${job.folder}/workers/${name}`;
    const bytes = await readObject(storage, key);
    if (bytes !== undefined) records.push(parseJson(storage.nameOf(key), bytes) as WorkerRecord);
  }
  return records;
}

/** A worker's record, renewed until `stop`. */
export class WorkerBeat {
  private readonly record: WorkerRecord;
  private readonly stopping = new AbortController();
  private readonly ending = new AbortController();
  private loop: Promise<void> = Promise.resolve();

  constructor(
    private readonly storage: WritableStorage,
    private readonly job: Job,
    worker: string,
    private readonly onTrouble: (trouble: CodedError) => void,
  ) {
    this.record = { worker, beat: 0, chunk: null, chunks: 0, rows: 0, ended: false };
  }

  get worker(): string {
    return this.record.worker;
  }

  /** Aborts once the job has ended, with its JobEnd. */
  get jobEnded(): AbortSignal {
    return this.ending.signal;
  }

  /** Writes the record for the first time: from now on others count on it. @throws CodedError as the storage */
  async start(): Promise<void> {
    await this.write();
    this.loop = this.renew();
  }

  /** What it is doing, told with the next beat. */
  on(chunk: LedgerRange | undefined): void {
    this.record.chunk = chunk === undefined ? null : rangeName(chunk);
  }

  wrote(rows: number): void {
    this.record.chunks += 1;
    this.record.rows += rows;
  }

  /** Writes the record for the last time, where it can be written. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
    Object.assign(this.record, { chunk: null, ended: true });
    await this.write().catch(() => {}); // nobody waits for a worker that has nothing in hand
  }

  private async renew(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await pause(this.job.leaseMs / BEATS_A_LEASE, signal);
      if (signal.aborted) return;
      try {
        await this.write(signal);
        const end = await endOf(this.storage, this.job);
        if (end !== undefined) this.ending.abort(end satisfies JobEnd);
      } catch (thrown) {
        if (!signal.aborted) this.onTrouble(CodedError.from(thrown)); // the next beat may come through
      }
    }
  }

  private write(signal?: AbortSignal): Promise<void> {
    this.record.beat += 1;
    return this.storage.replace(workerKey(this.job, this.worker), jsonBytes(this.record), signal);
  }
}
