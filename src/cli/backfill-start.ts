import { startJob } from "../backfill/start-job.ts";
import { duration, integer, text } from "../config/types.ts";
import { planExport } from "../export/export-range.ts";
import { networkOfSource } from "../export/ledger-rows.ts";
import { openPlace } from "../export/storage.ts";
import { openTarget } from "../export/target.ts";
import { openSource } from "../sources/open.ts";
import { environmentAccess } from "../sources/source-access.ts";
import { backfillSource, JSON_FLAG, SOURCE_FLAG } from "./backfill-place.ts";
import { defineCommand } from "./command.ts";
import { SELECTION_FLAGS, selectionOf } from "./export-flags.ts";
import { checkPartitioning, rangeOf, TARGET_FLAGS } from "./export-target-flags.ts";
import { option, optionOr, toggle } from "./flags.ts";
import { PROGRAM } from "./program.ts";

const LEASE_MS = 30_000; // a worker that renews every 10 s may miss two
const LEASE_MS_MIN = 500;
const LEASE_MS_MAX = 3_600_000;
const TRIES = 3;
const TRIES_MAX = 20;

export const command = defineCommand({
  usage: "--to PLACE --start-ledger N --end-ledger N [--source SOURCE] [flags]",
  description: `Begins a job that any number of workers do together ("${PROGRAM} worker --to PLACE", on any machine): the rows of a range of ledgers as Parquet files, exactly as export parquet writes them. Nothing has to be shared but the place. Giving the same command again changes nothing while the job is under way or once it is complete. A chunk is done when its manifest is there; so workers may be killed at any instant, and chunks that an earlier job or export has written are not written again. docs/backfill.md says how it works.`,
  flags: {
    ...TARGET_FLAGS,
    source: SOURCE_FLAG,
    "network-passphrase": option({
      placeholder: "PASSPHRASE",
      type: text,
      summary: "The network of the source. Default: what a lake's manifest says, else the known network that fits.",
    }),
    ...SELECTION_FLAGS,
    lease: optionOr({
      placeholder: "DURATION",
      type: duration(LEASE_MS_MIN, LEASE_MS_MAX),
      otherwise: LEASE_MS,
      summary: "A worker that has not renewed for so long is lost, and others do its chunk. Default: 30s.",
    }),
    tries: optionOr({
      placeholder: "N",
      type: integer(1, TRIES_MAX),
      otherwise: TRIES,
      summary: `A chunk that has failed so often is set aside, and the job goes on without it. Default: ${TRIES}.`,
    }),
    again: toggle({ summary: "Begin anew where the job of this range was cancelled or is incomplete." }),
    "dry-run": toggle({ summary: "Say what would be done, and do nothing." }),
    json: JSON_FLAG,
  },
  examples: [
    {
      command: `${PROGRAM} backfill start --source ./sample/lake --start-ledger 58751994 --end-ledger 58752000 --to rows`,
      meaning: "a job in a folder",
    },
    {
      command: `${PROGRAM} backfill start --source s3://bucket/ledgers --start-ledger 50457424 --end-ledger 58999999 --to s3://bucket/rows`,
      meaning: "the whole of Soroban's history, in a bucket",
    },
  ],
  async run({ flags, env, print, interrupt }) {
    const range = rangeOf(flags);
    checkPartitioning(flags);
    const access = environmentAccess(env);
    const endpoint = backfillSource(flags.source, env);
    const storage = await openPlace(flags.to, access);
    try {
      const source = await openSource(endpoint, access);
      const networkPassphrase = await networkOfSource(source, range, flags["network-passphrase"], interrupt());
      const [partitionBy, chunkLedgers] = [flags["partition-by"], flags["chunk-ledgers"]];
      const choice = { ...selectionOf(flags), networkPassphrase, partitionBy, chunkLedgers };
      const target = await openTarget(storage, choice, !flags["dry-run"]);
      const { chunks, there } = await planExport(target, range);
      const left = { ledger_first: range.ledgerFirst, ledger_last: range.ledgerLast, chunks, chunks_there: there };
      if (flags["dry-run"]) {
        const sentence = `a job of ledgers ${range.ledgerFirst} to ${range.ledgerLast} writes ${chunks - there} of ${chunks} chunks to ${flags.to}; ${there} are there`;
        print(flags.json ? JSON.stringify({ job: null, ...left }) : sentence);
        return 0;
      }
      const plan = { range, leaseMs: flags.lease, triesMax: flags.tries };
      const { job, isNew, end } = await startJob(target, plan, flags.again);
      const state = end?.state ?? "open";
      if (flags.json) print(JSON.stringify({ job: job.number, is_new: isNew, state, ...left }));
      else if (end !== undefined) print(`job ${job.number} of these ledgers is there: ${state}: ${end.message}`);
      else {
        const what = `job ${job.number} ${isNew ? "is begun" : "is under way"}: ${chunks - there} of ${chunks} chunks to write`;
        print(`${what}; "${PROGRAM} worker --to ${flags.to}" does them, on any number of machines`);
      }
      return 0;
    } finally {
      storage.close();
    }
  },
});
