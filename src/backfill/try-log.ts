/**
 * Who has begun which chunk, and how the tries have ended: one object each, written once, so that all who list the folder
 * see the same.
 *
 *     0000000001-0000000250.01.taken.json      the first try of that chunk has begun; whoever writes the object has it
 *     0000000001-0000000250.01.lost.json       its worker has renewed nothing for the length of a lease
 *     0000000001-0000000250.02.taken.json      the second try
 *     0000000001-0000000250.02.failed.json     why
 *     0000000001-0000000250.03.taken.json
 *     0000000001-0000000250.03.returned.json   its worker was asked to end
 *
 * A try that is done has no end here: the chunk's manifest is there.
 */
import type { CodedError } from "../error.ts";
import { jsonBytes, parseJson, rangeName } from "../export/settings.ts";
import { namesIn, put, readObject } from "../export/storage.ts";
import type { WritableStorage } from "../sources/lake/lake-storage.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import type { Job } from "./job.ts";

const OBJECT = /^(\d{10}-\d{10})\.(\d{2,9})\.(taken|failed|lost|returned)\.json$/;
const NUMBER_DIGITS = 2;

/** How a try ends without the chunk. A try that was returned does not count against the chunk. */
export type TryEnd = "failed" | "lost" | "returned";

/** The tries of a chunk. */
export interface ChunkTries {
  /** Number of the newest one, from 1. */
  last: number;
  /** How the newest one has ended; undefined: it is under way, or the chunk is there. */
  lastEnd: TryEnd | undefined;
  /** How many count against the chunk. */
  failures: number;
}

/** Why a try has ended. */
interface TryReason {
  worker: string;
  reason: string;
  message: string;
}

/** The tries of a job. Its methods throw CodedError as the storage. */
export class TryLog {
  private readonly folder: string;

  constructor(
    private readonly storage: WritableStorage,
    job: Job,
  ) {
    this.folder = `${job.folder}/tries`;
  }

  /** By name of the chunk. @param after only chunks behind this one; there may be more */
  async read(after: LedgerRange | undefined): Promise<Map<string, ChunkTries>> {
    const behind = after && `${rangeName(after)}.~`; // behind all objects of that chunk
    const chunks = new Map<string, Map<number, TryEnd | undefined>>();
    for (const object of await namesIn(this.storage, this.folder, { after: behind })) {
      const [, chunk, digits, kind] = OBJECT.exec(object) ?? [];
      if (chunk === undefined) continue; // what a write that was cut off has left
      const ends = chunks.get(chunk) ?? new Map<number, TryEnd | undefined>();
      chunks.set(chunk, ends);
      const end = kind === "taken" ? undefined : (kind as TryEnd);
      ends.set(Number(digits), end ?? ends.get(Number(digits))); // one that was lost may have failed as well
    }
    return new Map([...chunks].map(([chunk, ends]) => [chunk, triesOf(ends)]));
  }

  /** Begins a try. @returns false where somebody else has it */
  take(chunk: LedgerRange, number: number, worker: string): Promise<boolean> {
    return put(this.storage, this.keyOf(chunk, number, "taken"), jsonBytes({ worker }));
  }

  /** The worker that has begun a try. */
  async holder(chunk: LedgerRange, number: number): Promise<string | undefined> {
    return (await this.object(chunk, number, "taken"))?.worker;
  }

  /** Ends a try, where nobody else has. */
  async end(chunk: LedgerRange, number: number, how: TryEnd, worker: string, why: CodedError): Promise<void> {
    const { reason, message } = why;
    await put(this.storage, this.keyOf(chunk, number, how), jsonBytes({ worker, reason, message }));
  }

  /** Why the chunk's newest try has ended. */
  async reasonOf(chunk: LedgerRange, { last, lastEnd }: ChunkTries): Promise<TryReason | undefined> {
    return lastEnd && (await this.object(chunk, last, lastEnd));
  }

  private async object(chunk: LedgerRange, number: number, kind: string): Promise<TryReason | undefined> {
    const key = this.keyOf(chunk, number, kind);
    const bytes = await readObject(this.storage, key);
    return bytes && (parseJson(this.storage.nameOf(key), bytes) as TryReason);
  }

  private keyOf(chunk: LedgerRange, number: number, kind: string): string {
    return `${this.folder}/${rangeName(chunk)}.${String(number).padStart(NUMBER_DIGITS, "0")}.${kind}.json`;
  }
}

/** @param ends of the tries, by their number; undefined for one without */
function triesOf(ends: ReadonlyMap<number, TryEnd | undefined>): ChunkTries {
  const last = Math.max(...ends.keys());
  const failures = [...ends.values()].filter((end) => end !== undefined && end !== "returned").length;
  return { last, lastEnd: ends.get(last), failures };
}
