/**
 * The decoder as a library: XDR, rules and columns, without any of the server. Pure: no I/O, no clock, no threads; runs
 * in Bun and in Node 20.
 */

export type { Code } from "./codes.ts";
export { arrowSchema } from "./columns/arrow-schema.ts";
export { BatchEncoder, type BatchEncoderOptions, type BatchPlan, columnNames } from "./columns/batch-encoder.ts";
export { encapsulate, encapsulatedSchema, STREAM_END, schemaMessage } from "./columns/ipc.ts";
export { TSV_COLUMNS, TsvWriter, toNdjson } from "./columns/text.ts";
export { type DecodeLedgerOptions, decodeLedger } from "./decode-ledger.ts";
export { CodedError } from "./error.ts";
export { type BatchLedger, batchRange, splitBatch } from "./ledger/batch.ts";
export { LedgerDecoder } from "./ledger/decoder.ts";
export type { DecoderOptions, LearnedAsset, LedgerSummary } from "./ledger/decoder-options.ts";
export { CompiledFilter } from "./ledger/filter.ts";
export { type LedgerHeaderInfo, ledgerHeader } from "./ledger/header.ts";
export { ASSET_DELAY_LEDGERS, type KnownAsset, KnownAssets, knownFrom } from "./ledger/known-assets.ts";
export { checkNetwork, detectNetwork, KNOWN_NETWORKS, type Network, networkId } from "./ledger/network.ts";
export { NONE, type RowLedger, RowSet } from "./ledger/row-set.ts";
export type { ChangeType } from "./vocabulary/change-type.ts";
export type { Compat } from "./vocabulary/compat.ts";
export type { RowFilter } from "./vocabulary/row-filter.ts";
export type { SchemaVersion } from "./vocabulary/schema-version.ts";
export { XdrError, type XdrReason } from "./xdr/error.ts";
