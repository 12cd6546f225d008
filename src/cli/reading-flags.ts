/** Flags that name what a Flight client reads, for the commands that are one. */
import { assets, integer, oneOf } from "../config/types.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { DATASET_DEFAULT, DATASETS, type Dataset } from "../vocabulary/dataset.ts";
import { option, optionOr, repeated } from "./flags.ts";
import { UsageError } from "./usage-error.ts";

/** A range in place of a session. */
export const RANGE_LEDGER_FLAGS = {
  "start-ledger": option({
    placeholder: "N",
    type: integer(1, LEDGER_SEQUENCE_MAX),
    summary: "Read a range of ledgers in place of a session: its first ledger.",
  }),
  "end-ledger": option({
    placeholder: "N",
    type: integer(0, LEDGER_SEQUENCE_MAX),
    summary: "The range's last ledger, inclusive. Default: 0, go on with new ledgers for ever.",
  }),
};

/** `--known-asset` of a range. */
export const RANGE_ASSET_FLAG = repeated({
  placeholder: "CODE:G…",
  type: assets,
  summary: "An asset whose contract a range knows, beside the server's KNOWN_ASSETS; several with commas.",
});

/** `--dataset`. */
export const DATASET_FLAG = optionOr({
  placeholder: "NAME",
  type: oneOf(DATASETS),
  otherwise: DATASET_DEFAULT,
  summary: "contract_data, or ttl: changes of times to live. Default: contract_data.",
});

/** @param words the filters as they were typed; @throws UsageError where there are some, and the dataset has none */
export function checkDatasetFilters(dataset: Dataset, words: readonly string[]): void {
  if (dataset === DATASET_DEFAULT || words.length === 0) return;
  throw new UsageError(`${words[0]} is a filter of contract_data, and --dataset ${dataset} has none: leave it out`);
}

/** `--partition` of a session. */
export const PARTITION_FLAG = option({
  placeholder: "N",
  type: integer(0, 65_535),
  summary: "Which part, from 0 on, of a session that was started with --partitions; such a session needs it.",
});
