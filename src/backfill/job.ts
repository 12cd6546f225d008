/**
 * A job: a range of ledgers that workers write into an export together. All that there is of it are objects of that export,
 * below `_export/jobs/000001`:
 *
 *     job.json       which ledgers, and how long a lease is
 *     tries/…        who has begun which chunk, and how tries have ended (try-log.ts)
 *     workers/…      what each worker renews (worker-beat.ts)
 *     ended.json     how it has ended: written once
 *
 * What is done is not here: a chunk is done when its manifest is there.
 */
import { randomUUID } from "node:crypto";
import { CodedError } from "../error.ts";
import { jsonBytes, KEYS, parseJson } from "../export/settings.ts";
import { namesIn, put, readObject } from "../export/storage.ts";
import type { WritableStorage } from "../sources/lake/lake-storage.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";

const NUMBER_DIGITS = 6;

/** What whoever starts a job chooses. */
export interface JobPlan {
  range: LedgerRange;
  /** A worker that has renewed nothing for so long counts as lost. */
  leaseMs: number;
  /** A chunk that has failed so often, or has lost so many workers, is set aside. */
  triesMax: number;
}

/** A job of an export. */
export interface Job extends JobPlan {
  /** Counts the export's jobs from 1. */
  number: number;
  /** A UUID: it tells this job from all others, whatever the place is called on each machine. */
  id: string;
  /** Where its objects are, as a key. */
  folder: string;
}

/** `incomplete`: chunks were set aside, or do not follow each other. */
export type EndState = "complete" | "incomplete" | "cancelled";

/** How a job has ended. */
export interface JobEnd {
  state: EndState;
  /** A sentence. */
  message: string;
}

/** The newest job of an export; undefined where there is none. @throws CodedError as `namesIn` and `parseJson` */
export async function latestJob(storage: WritableStorage): Promise<Job | undefined> {
  const numbers = (await namesIn(storage, KEYS.jobs)).filter((name) => /^\d{6}$/.test(name)).map(Number);
  for (const number of numbers.toSorted((a, b) => b - a)) {
    const key = `${folderOf(number)}/job.json`;
    const bytes = await readObject(storage, key);
    if (bytes !== undefined) return parseJob(number, storage.nameOf(key), bytes);
  }
  return undefined;
}

/** @throws CodedError INVALID_ARGUMENT / BACKFILL_UNKNOWN where there is none; as `latestJob` */
export async function findJob(storage: WritableStorage): Promise<Job> {
  const job = await latestJob(storage);
  if (job !== undefined) return job;
  const message = `${storage.root}: there is no job: begin one with backfill start`;
  throw new CodedError("INVALID_ARGUMENT", "BACKFILL_UNKNOWN", message);
}

/** Makes a job. @returns undefined where one of that number is there, made by somebody else at the same time */
export async function putJob(storage: WritableStorage, number: number, plan: JobPlan): Promise<Job | undefined> {
  const { range, leaseMs, triesMax } = plan;
  const folder = folderOf(number);
  const id = randomUUID();
  const job = {
    id,
    ledger_first: range.ledgerFirst,
    ledger_last: range.ledgerLast,
    lease_ms: leaseMs,
    tries_max: triesMax,
  };
  const isNew = await put(storage, `${folder}/job.json`, jsonBytes(job));
  return isNew ? { number, id, folder, ...plan } : undefined;
}

/** How the job has ended; undefined while it has not. @throws CodedError as `readObject` and `parseJson` */
export async function endOf(storage: WritableStorage, { folder }: Job): Promise<JobEnd | undefined> {
  const key = `${folder}/ended.json`;
  const bytes = await readObject(storage, key);
  return bytes && (parseJson(storage.nameOf(key), bytes) as JobEnd);
}

/** Ends the job, where it has not ended: the first end holds, and is what this returns. @throws CodedError as `put` */
export async function endJob(storage: WritableStorage, job: Job, end: JobEnd): Promise<JobEnd> {
  await put(storage, `${job.folder}/ended.json`, jsonBytes(end));
  return (await endOf(storage, job)) ?? end;
}

function parseJob(number: number, name: string, bytes: Uint8Array): Job {
  const values = parseJson(name, bytes) as Record<string, unknown>;
  const [ledgerFirst, ledgerLast, leaseMs, triesMax] = ["ledger_first", "ledger_last", "lease_ms", "tries_max"].map(
    (key) => {
      const value = values[key];
      if (typeof value === "number" && value > 0) return value;
      throw new CodedError("DATA_LOSS", "EXPORT_CHANGED", `${name}: its ${key} is no number above 0`);
    },
  ) as [number, number, number, number];
  return {
    number,
    id: String(values.id),
    folder: folderOf(number),
    range: { ledgerFirst, ledgerLast },
    leaseMs,
    triesMax,
  };
}

function folderOf(number: number): string {
  return `${KEYS.jobs}/${String(number).padStart(NUMBER_DIGITS, "0")}`;
}
