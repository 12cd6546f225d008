/** The tables that a ledger's walk can give: each has rows, schemas, a natural key and cursors of its own. */

/** Names of all datasets, as tickets and requests have them. */
export const DATASETS = ["contract_data", "ttl"] as const;

/** `contract_data`: changes of contract-data entries. `ttl`: changes of times to live. */
export type Dataset = (typeof DATASETS)[number];

/** What is meant where no dataset is named. */
export const DATASET_DEFAULT: Dataset = "contract_data";
