/** LedgerCloseMetaBatch, the content of a lake file (SEP-54; Stellar-exporter.x), cut into its ledgers. */
import { XdrError } from "../xdr/error.ts";
import { LEDGER_CLOSE_META_BYTES_MIN, skipLedgerCloseMeta } from "../xdr/generated/skip.ts";
import { explain } from "../xdr/guard.ts";
import { headerOffset, readHeader } from "../xdr/ledger-header.ts";
import { fail } from "../xdr/limits.ts";

const ROOT = "LedgerCloseMetaBatch";
const HEAD = 12; // first sequence, last sequence, number of ledgers

/** One ledger of a batch: `bytes` is a view on the batch, XDR of one LedgerCloseMeta. */
export interface BatchLedger {
  sequence: number;
  bytes: Uint8Array;
}

/** First and last ledger that a batch says it holds. @throws XdrError where it is shorter than that, or holds none */
export function batchRange(bytes: Uint8Array): { first: number; last: number } {
  const d = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const first = d.getUint32(0);
    const last = d.getUint32(4);
    const count = d.getUint32(8);
    if (count * LEDGER_CLOSE_META_BYTES_MIN > bytes.length - HEAD) fail();
    if (last < first || count !== last - first + 1) {
      throw new XdrError(
        "LEDGER_HEADER",
        ROOT,
        0,
        ROOT,
        `a batch of ledgers ${first} to ${last} holds ${count} ledgers`,
      );
    }
    return { first, last };
  } catch (thrown) {
    throw explain(thrown, ROOT, d);
  }
}

/**
 * The ledgers of one batch, in order. A ledger that is alone in its batch, or the last one, is not walked here, so
 * bytes left over are found when it is decoded.
 * @throws XdrError where the batch is not one, or a ledger's sequence number is not the one it should have
 */
export function* splitBatch(bytes: Uint8Array): Generator<BatchLedger> {
  const { first, last } = batchRange(bytes);
  const whole = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = HEAD;
  for (let sequence = first; sequence <= last; sequence++) {
    let end = bytes.length;
    try {
      const d = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
      const found = readHeader(d, headerOffset(d)).sequence;
      if (found !== sequence) {
        const path = `${ROOT}.ledgerCloseMeta[${sequence - first}]`;
        throw new XdrError(
          "LEDGER_HEADER",
          "LedgerHeader",
          at,
          path,
          `ledger ${found} stands where ${sequence} should`,
        );
      }
      if (sequence < last) end = at + skipLedgerCloseMeta(d, 0, 0);
      if (end > bytes.length) fail();
    } catch (thrown) {
      throw explain(thrown, ROOT, whole);
    }
    yield { sequence, bytes: bytes.subarray(at, end) };
    at = end;
  }
}
