/**
 * Where a LedgerCloseMeta's header lies, and the fields in it (Stellar-ledger.x). Whatever has a variable length is
 * walked by the generated code, so a new arm of a union is known here as soon as it is known there.
 */
import { skipStellarValue } from "./generated/skip.ts";
import { fail } from "./limits.ts";

/** Offset of the LedgerHeaderHistoryEntry. Throws as a fast walk does. */
export function headerOffset(d: DataView): number {
  const version = d.getInt32(0);
  if (version === 0) return 4;
  if (version !== 1 && version !== 2) fail();
  const ext = d.getInt32(4);
  if (ext !== 0 && ext !== 1) fail();
  // LedgerCloseMetaExtV1 is an ExtensionPoint and a 64-bit fee
  return ext === 0 ? 8 : 8 + 4 + 8;
}

/** Where things lie in the LedgerHeaderHistoryEntry at `p`. Throws as a fast walk does. */
export function readHeader(
  d: DataView,
  p: number,
): { sequence: number; protocolVersion: number; closeTimeAt: number; sequenceAt: number } {
  const header = p + 32; // the ledger's own hash comes first
  const scpValue = header + 4 + 32;
  const sequenceAt = skipStellarValue(d, scpValue) + 32 + 32;
  return {
    sequence: d.getUint32(sequenceAt),
    protocolVersion: d.getUint32(header),
    closeTimeAt: scpValue + 32,
    sequenceAt,
  };
}
