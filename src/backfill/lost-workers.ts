/**
 * Which workers live: a worker whose record has not changed for the length of a lease, as a monotonic clock here counts it from
 * the first look on, is lost. So no two clocks have to agree. A worker that is slow, and counted as lost all the same, does
 * no harm: what two write is the same.
 */
import { readObject } from "../export/storage.ts";
import type { WritableStorage } from "../sources/lake/lake-storage.ts";
import type { Job } from "./job.ts";
import { workerKey } from "./worker-beat.ts";

interface Seen {
  content: string;
  sinceMs: number;
}

/** Looks at workers again and again. */
export class LostWorkers {
  private readonly seen = new Map<string, Seen>();

  /** @param nowMs a clock that only goes forward */
  constructor(
    private readonly storage: WritableStorage,
    private readonly job: Job,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** Whether it is lost, by this look and the ones before. @throws CodedError as the storage */
  async isLost(worker: string): Promise<boolean> {
    const bytes = await readObject(this.storage, workerKey(this.job, worker));
    const content = Buffer.from(bytes ?? []).toString();
    const before = this.seen.get(worker);
    if (before?.content === content) return this.nowMs() - before.sinceMs >= this.job.leaseMs;
    this.seen.set(worker, { content, sinceMs: this.nowMs() });
    return false;
  }
}
