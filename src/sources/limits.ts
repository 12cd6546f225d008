/** Limits that several sources share. A limit of one file alone stands in that file. */

/** One ledger's LedgerCloseMeta, inflated. The busiest real ones are near 2 MB; also the largest message taken off a stream. */
export const LEDGER_BYTES_MAX = 64 << 20;

/** One LedgerCloseMetaBatch, inflated: 64 ledgers a file, each twice as large as the busiest real ones. */
export const BATCH_BYTES_MAX = 256 << 20;

/** One lake file as stored: ledgers compress about ten times, so this is far above any batch within BATCH_BYTES_MAX. */
export const LAKE_FILE_BYTES_MAX = 128 << 20;

export { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
