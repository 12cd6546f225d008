/** Where an export goes, and how it is cut: flags of `export parquet` and `backfill start`. */
import { integer, oneOf, text } from "../config/types.ts";
import { CHUNK_LEDGERS_DEFAULT, PARTITIONINGS, type Partitioning } from "../export/settings.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { type FlagValues, optionOr, required } from "./flags.ts";
import { UsageError } from "./usage-error.ts";

const CHUNK_LEDGERS_MAX = 1_000_000; // two months: what is not done of a chunk is begun anew

/** A place, a range, and how it is cut. */
export const TARGET_FLAGS = {
  to: required({
    placeholder: "PLACE",
    type: text,
    summary: "A folder, s3://bucket/prefix or gs://bucket/prefix; it is made where it is not there.",
  }),
  "start-ledger": required({
    placeholder: "N",
    type: integer(1, LEDGER_SEQUENCE_MAX),
    summary: "The first ledger.",
  }),
  "end-ledger": required({
    placeholder: "N",
    type: integer(1, LEDGER_SEQUENCE_MAX),
    summary: "The last ledger, inclusive.",
  }),
  "partition-by": optionOr<Partitioning>({
    placeholder: "WORD",
    type: oneOf(PARTITIONINGS),
    otherwise: "ledger-range",
    summary:
      "ledger-range: files of a chunk's rows in their order; contract: these in 16 folders, each with a sixteenth of all contracts. Default: ledger-range.",
  }),
  "chunk-ledgers": optionOr({
    placeholder: "N",
    type: integer(1, CHUNK_LEDGERS_MAX),
    otherwise: CHUNK_LEDGERS_DEFAULT,
    summary: `Ledgers that are written, or not, as one: each multiple of it begins new files. Default: ${CHUNK_LEDGERS_DEFAULT}.`,
  }),
};

/** @throws UsageError where it ends before it begins */
export function rangeOf(flags: Pick<FlagValues<typeof TARGET_FLAGS>, "start-ledger" | "end-ledger">): LedgerRange {
  const { "start-ledger": ledgerFirst, "end-ledger": ledgerLast } = flags;
  if (ledgerLast >= ledgerFirst) return { ledgerFirst, ledgerLast };
  throw new UsageError(`--end-ledger ${ledgerLast} is before --start-ledger ${ledgerFirst}`);
}

/** @throws UsageError for a dataset whose rows cannot be cut so */
export function checkPartitioning(flags: { "partition-by": Partitioning; dataset: Dataset }): void {
  const { dataset, "partition-by": partitionBy } = flags;
  if (dataset === DATASET_DEFAULT || partitionBy !== "contract") return;
  throw new UsageError(`--partition-by contract is for contract_data: rows of ${dataset} may name no contract`);
}
