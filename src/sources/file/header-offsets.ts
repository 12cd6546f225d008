/**
 * Finds two fields of a LedgerCloseMeta's header without reading the rest: enough for a source to check that a ledger
 * is the one it should be, and to renumber it.
 */
import { CodedError } from "../../error.ts";
import { explain } from "../../xdr/guard.ts";
import { headerOffset, readHeader } from "../../xdr/ledger-header.ts";

/** Byte offsets from the first byte of the LedgerCloseMeta. */
interface HeaderOffsets {
  /** LedgerHeader.ledgerSeq, uint32. */
  ledgerSequence: number;
  /** LedgerHeader.scpValue.closeTime, uint64, seconds. */
  closeTime: number;
}

/**
 * Where the header's fields are in `ledger`, the bytes of one LedgerCloseMeta (version 0, 1 or 2). `name` is for
 * messages.
 * @throws CodedError DATA_LOSS / LEDGER_HEADER with the byte offset, where the bytes are not the beginning of one
 */
export function headerOffsets(name: string, ledger: Uint8Array): HeaderOffsets {
  const view = new DataView(ledger.buffer, ledger.byteOffset, ledger.byteLength);
  try {
    const { sequenceAt, closeTimeAt } = readHeader(view, headerOffset(view));
    return { ledgerSequence: sequenceAt, closeTime: closeTimeAt };
  } catch (thrown) {
    const cause = explain(thrown, "LedgerCloseMeta", view);
    if (!(cause instanceof CodedError)) throw cause;
    throw new CodedError("DATA_LOSS", "LEDGER_HEADER", `${name}: not a ledger: ${cause.message}`, { cause });
  }
}

/** The sequence number in the header of one LedgerCloseMeta. @throws as headerOffsets does */
export function headerSequence(name: string, ledger: Uint8Array): number {
  const { ledgerSequence } = headerOffsets(name, ledger);
  return new DataView(ledger.buffer, ledger.byteOffset, ledger.byteLength).getUint32(ledgerSequence);
}
