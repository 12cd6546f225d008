/** What the commands about a job share: its place, its source, how it is shown. */
import { findJob, type Job } from "../backfill/job.ts";
import type { JobStatus } from "../backfill/job-status.ts";
import type { SourceEndpoint } from "../config/source-endpoint.ts";
import { text } from "../config/types.ts";
import { openPlace } from "../export/storage.ts";
import { type ExportTarget, findTarget } from "../export/target.ts";
import { environmentAccess } from "../sources/source-access.ts";
import type { CommandContext } from "./command.ts";
import { columns, grouped } from "./control-call.ts";
import { endpointOf } from "./export-flags.ts";
import { option, required, toggle } from "./flags.ts";
import { UsageError } from "./usage-error.ts";

/** The place of a job that is there. */
export const PLACE_FLAG = required({
  placeholder: "PLACE",
  type: text,
  summary: "The folder, s3://bucket/prefix or gs://bucket/prefix that backfill start was given.",
});
/** Where ledgers come from. */
export const SOURCE_FLAG = option({
  placeholder: "SOURCE",
  type: text,
  summary: "Where ledgers come from (docs/sources.md). Default: SOURCE_ENDPOINT of the environment.",
});
/** Machine-readable output. */
export const JSON_FLAG = toggle({ summary: "Print JSON objects, one a line." });

/** The source that the flag or the environment names. @throws UsageError where neither does */
export function backfillSource(source: string | undefined, env: CommandContext["env"]): SourceEndpoint {
  const given = source ?? env.SOURCE_ENDPOINT;
  if (given) return endpointOf(given);
  throw new UsageError("--source SOURCE is missing, and SOURCE_ENDPOINT is not set");
}

/** Opens the place of a job for `use`. @throws CodedError as `findTarget` and `findJob` */
export async function withJob<T>(
  place: string,
  env: CommandContext["env"],
  use: (target: ExportTarget, job: Job) => Promise<T>,
): Promise<T> {
  const storage = await openPlace(place, environmentAccess(env));
  try {
    return await use(await findTarget(storage), await findJob(storage));
  } finally {
    storage.close();
  }
}

/** One line. */
export function statusLine(status: JobStatus): string {
  const { job, state, chunks, chunks_there, ledgers, ledgers_there, taken, set_aside, message } = status;
  const aside = set_aside.length === 0 ? "" : `  ${set_aside.length} set aside`;
  const said = message === "" ? "" : `  ${message}`;
  return `job ${job}  ${state}  ${grouped(ledgers_there)} of ${grouped(ledgers)} ledgers, ${chunks_there} of ${chunks} chunks, ${taken.length} in hand${aside}${said}`;
}

/** All of it. */
export function statusTable(status: JobStatus): string {
  const { job, ledger_first, ledger_last, state, message, taken, set_aside, workers } = status;
  const rows: [string, string][] = [
    ["job", String(job)],
    [
      "ledgers",
      `${ledger_first} to ${ledger_last}, ${grouped(status.ledgers_there)} of ${grouped(status.ledgers)} there`,
    ],
    ["chunks", `${status.chunks_there} of ${status.chunks} there`],
    ["state", state],
  ];
  if (message !== "") rows.push(["", message]);
  for (const { chunk, tries, worker } of taken) rows.push(["in hand", `${chunk}, try ${tries}, worker ${worker}`]);
  for (const { chunk, tries, reason, message: why } of set_aside) {
    rows.push(["set aside", `${chunk} after ${tries} tries: ${why} (${reason})`]);
  }
  for (const { worker, chunks, rows: count } of workers) {
    rows.push(["worker", `${worker}: ${chunks} chunks, ${grouped(count)} rows written`]);
  }
  return columns(rows);
}
