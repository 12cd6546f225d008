/** Reading a LedgerCloseMeta's header without decoding the ledger (Stellar-ledger.x). */
import { XdrError } from "../xdr/error.ts";
import { skipLedgerHeader } from "../xdr/generated/skip.ts";
import { explain } from "../xdr/guard.ts";
import { headerOffset, readHeader } from "../xdr/ledger-header.ts";
import { fail } from "../xdr/limits.ts";

/** The last second that fits an int64 of microseconds, which closed_at is. */
export const CLOSE_TIME_SECONDS_MAX = 9_223_372_036_854;

/** Seconds since 1970 of the TimePoint at `p`; exact up to 2^53, which is far past what is accepted. */
export function closeTimeSeconds(d: DataView, p: number): number {
  return d.getUint32(p) * 0x1_0000_0000 + d.getUint32(p + 4);
}

/** A ledger's header, and where it lies in the bytes: enough to renumber and re-hash a ledger. */
export interface LedgerHeaderInfo {
  /** Arm of the LedgerCloseMeta union: 0, 1 or 2. */
  metaVersion: number;
  sequence: number;
  closedAtUnixSeconds: number;
  protocolVersion: number;
  /** 32 bytes each, views on the given bytes. */
  hash: Uint8Array;
  previousLedgerHash: Uint8Array;
  /** The LedgerHeader's bytes, a view too: `hash` is its sha256. */
  header: Uint8Array;
  /** Byte offsets in the given bytes. */
  offsets: { hash: number; header: number; previousLedgerHash: number; closeTime: number; sequence: number };
}

/**
 * The header of one LedgerCloseMeta. Reads only as far as the header's end.
 * @throws XdrError where the bytes up to there are not one
 */
export function ledgerHeader(bytes: Uint8Array): LedgerHeaderInfo {
  const d = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const p = headerOffset(d);
    const { sequence, protocolVersion, closeTimeAt, sequenceAt } = readHeader(d, p);
    const end = skipLedgerHeader(d, p + 32);
    if (end > d.byteLength) fail();
    const closedAtUnixSeconds = closeTimeSeconds(d, closeTimeAt);
    if (closedAtUnixSeconds > CLOSE_TIME_SECONDS_MAX) {
      const path = "LedgerCloseMeta.ledgerHeader.header.scpValue.closeTime";
      throw new XdrError(
        "LEDGER_HEADER",
        "TimePoint",
        closeTimeAt,
        path,
        `close time ${closedAtUnixSeconds} s is out of range`,
      );
    }
    return {
      metaVersion: d.getInt32(0),
      sequence,
      closedAtUnixSeconds,
      protocolVersion,
      hash: bytes.subarray(p, p + 32),
      previousLedgerHash: bytes.subarray(p + 36, p + 68),
      header: bytes.subarray(p + 32, end),
      offsets: { hash: p, header: p + 32, previousLedgerHash: p + 36, closeTime: closeTimeAt, sequence: sequenceAt },
    };
  } catch (thrown) {
    throw explain(thrown, "LedgerCloseMeta", d);
  }
}
