/** LedgerCloseMetaBatch, the content of a lake file (SEP-54; Stellar-exporter.x), cut into its ledgers. */
import { XdrError } from "../xdr/error.ts";
import { LEDGER_CLOSE_META_BYTES_MIN, skipLedgerCloseMeta } from "../xdr/generated/skip.ts";
import { explain } from "../xdr/guard.ts";
import { headerOffset, readHeader } from "../xdr/ledger-header.ts";
import { fail } from "../xdr/limits.ts";

const ROOT = "LedgerCloseMetaBatch";
/** First sequence, last sequence, number of ledgers: a uint32 each. */
const BATCH_HEAD_BYTES = 12;

/** One ledger of a batch: `bytes` is a view on the batch, XDR of one LedgerCloseMeta. */
export interface BatchLedger {
  sequence: number;
  /** Offset of the ledger's first byte in the batch. */
  byteOffset: number;
  bytes: Uint8Array;
}

/** Whether content that begins with `head` can be a batch: its range and its count of ledgers agree. */
export function beginsBatch(head: Uint8Array): boolean {
  if (head.length < BATCH_HEAD_BYTES) return false;
  const d = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const [first, last] = [d.getUint32(0), d.getUint32(4)];
  return last >= first && d.getUint32(8) === last - first + 1;
}

/**
 * First and last ledger that a batch says it holds.
 * @throws XdrError XDR_TRUNCATED, BATCH_HEAD, XDR_LENGTH where it is none, or says more than its bytes can hold
 */
export function batchRange(bytes: Uint8Array): { first: number; last: number } {
  if (bytes.length < BATCH_HEAD_BYTES) {
    throw new XdrError("XDR_TRUNCATED", ROOT, bytes.length, ROOT, "the batch ends before its ledgers");
  }
  const d = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [first, last, count] = [d.getUint32(0), d.getUint32(4), d.getUint32(8)];
  if (!beginsBatch(bytes)) {
    const detail = `no ledger data, or a batch of ledgers ${first} to ${last} that counts ${count}`;
    throw new XdrError("BATCH_HEAD", ROOT, 0, ROOT, detail);
  }
  const left = bytes.length - BATCH_HEAD_BYTES;
  if (count * LEDGER_CLOSE_META_BYTES_MIN > left) {
    const detail = `${count} ledgers cannot be in the ${left} B that follow`;
    throw new XdrError("XDR_LENGTH", ROOT, 8, `${ROOT}.ledgerCloseMeta`, detail);
  }
  return { first, last };
}

/**
 * The ledgers of one batch, in order; those before a fault are given. A ledger that is alone in its batch, or the last
 * one, is not walked here: it has all bytes that are left, and decoding it finds those that are too many.
 * @throws XdrError where the batch is not one; LEDGER_OUT_OF_STEP where another ledger stands in a ledger's place
 */
export function* splitBatch(bytes: Uint8Array): Generator<BatchLedger, void, undefined> {
  const { first, last } = batchRange(bytes);
  const whole = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = BATCH_HEAD_BYTES;
  for (let sequence = first; sequence <= last; sequence++) {
    let end = bytes.length;
    try {
      const d = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
      const found = readHeader(d, headerOffset(d)).sequence;
      if (found !== sequence) {
        const path = `${ROOT}.ledgerCloseMeta[${sequence - first}]`;
        const detail = `ledger ${found} stands at byte ${at}, where ${sequence} should`;
        throw new XdrError("LEDGER_OUT_OF_STEP", "LedgerHeader", at, path, detail);
      }
      if (sequence < last) end = at + skipLedgerCloseMeta(d, 0, 0);
      if (end > bytes.length) fail();
    } catch (thrown) {
      throw explain(thrown, ROOT, whole);
    }
    yield { sequence, byteOffset: at, bytes: bytes.subarray(at, end) };
    at = end;
  }
}
