/** One ledger to one Arrow record batch, for programs that want nothing else. */
import type { RecordBatch } from "apache-arrow";
import { BatchEncoder, type BatchEncoderOptions } from "./columns/batch-encoder.ts";
import { recordBatchOf } from "./columns/record-batch.ts";
import { LedgerDecoder } from "./ledger/decoder.ts";
import type { DecoderOptions } from "./ledger/decoder-options.ts";
import { RowSet } from "./ledger/row-set.ts";
import type { Compat } from "./vocabulary/compat.ts";

/** What `decodeLedger` may be told; the passphrase alone is needed. */
export interface DecodeLedgerOptions
  extends Omit<DecoderOptions, "compat" | "keyHash" | "schemaVersion" | "assets">,
    Partial<Omit<BatchEncoderOptions, "networkPassphrase">> {
  /** Default: `default`. */
  compat?: Compat;
}

/**
 * The contract-data changes in one LedgerCloseMeta as a record batch of schema version 1 (or `schemaVersion`), with all
 * its columns or those in `columns`, and the rows that `filter` selects. The passphrase is not checked against the
 * ledger: `checkNetwork` does that. To decode many ledgers, keep a LedgerDecoder, a RowSet and a BatchEncoder: this makes
 * all three anew.
 * @param ledger XDR of one LedgerCloseMeta; the ledgers of a LedgerCloseMetaBatch come from `splitBatch`
 * @throws XdrError (DATA_LOSS) where the bytes are not one; CodedError INVALID_ARGUMENT for options that cannot be
 */
export function decodeLedger(ledger: Uint8Array, options: DecodeLedgerOptions): RecordBatch {
  const { schemaVersion = 1, compat = "default" } = options;
  const encoder = new BatchEncoder({ ...options, schemaVersion });
  const rows = new RowSet();
  new LedgerDecoder({ ...options, compat, ...encoder.decoderOptions }).decode(ledger, rows);
  return recordBatchOf(encoder, rows);
}
