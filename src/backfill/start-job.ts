/** Begins a job. Several may do so at once, and again: there is one job for them all. */
import { CodedError } from "../error.ts";
import { claimRange } from "../export/ranges.ts";
import type { ExportTarget } from "../export/target.ts";
import { endOf, type Job, type JobEnd, type JobPlan, latestJob, putJob } from "./job.ts";

/** The job of a range. */
interface StartedJob {
  job: Job;
  /** False where it was there already. */
  isNew: boolean;
  /** How it has ended. */
  end: JobEnd | undefined;
}

/**
 * The export's newest job where it is of that range, else a new one.
 * @param again true: begins anew where the job of that range was cancelled or is incomplete
 * @throws CodedError FAILED_PRECONDITION / BACKFILL_OPEN while a job of another range is under way; BACKFILL_ENDED where
 * the job of that range has ended without being complete
 */
export async function startJob({ storage }: ExportTarget, plan: JobPlan, again: boolean): Promise<StartedJob> {
  for (;;) {
    const latest = await latestJob(storage);
    const end = latest && (await endOf(storage, latest));
    if (latest !== undefined) {
      if (isSame(latest, plan) && (end === undefined || end.state === "complete")) {
        return { job: latest, isNew: false, end };
      }
      if (end === undefined) throw stillOpen(latest);
      if (isSame(latest, plan) && !again) throw ended(latest, end);
    }
    await claimRange(storage, plan.range);
    const job = await putJob(storage, (latest?.number ?? 0) + 1, plan);
    if (job !== undefined) return { job, isNew: true, end: undefined };
  }
}

function isSame({ range }: Job, plan: JobPlan): boolean {
  return range.ledgerFirst === plan.range.ledgerFirst && range.ledgerLast === plan.range.ledgerLast;
}

function stillOpen({ number, range }: Job): CodedError {
  const message = `job ${number} of ledgers ${range.ledgerFirst} to ${range.ledgerLast} is under way at this place: wait for its end (backfill watch), or cancel it`;
  return new CodedError("FAILED_PRECONDITION", "BACKFILL_OPEN", message);
}

function ended({ number }: Job, { state, message }: JobEnd): CodedError {
  const sentence = `job ${number} of these ledgers has ended ${state}: ${message}; --again begins a new one for what is not there`;
  return new CodedError("FAILED_PRECONDITION", "BACKFILL_ENDED", sentence);
}
