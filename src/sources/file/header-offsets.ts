/**
 * Finds two fields of a LedgerCloseMeta's header without reading the rest: enough for a source to check that a ledger
 * is the one it should be, and to renumber it.
 */
import { CodedError } from "../../error.ts";

/** Byte offsets from the first byte of the LedgerCloseMeta. */
export interface HeaderOffsets {
  /** LedgerHeader.ledgerSeq, uint32. */
  ledgerSequence: number;
  /** LedgerHeader.scpValue.closeTime, uint64, seconds. */
  closeTime: number;
}

/** StellarValue.upgrades<6> of UpgradeType opaque<128> (Stellar-ledger.x). */
const UPGRADES_MAX = 6;
const UPGRADE_BYTES_MAX = 128;
/** Signature opaque<64> (Stellar-types.x). */
const SIGNATURE_BYTES_MAX = 64;

/**
 * Where the header's fields are in `ledger`, the bytes of one LedgerCloseMeta (version 0, 1 or 2). `name` is for
 * messages.
 * @throws CodedError DATA_LOSS / LEDGER_HEADER with the byte offset, where the bytes are not the beginning of one
 */
export function headerOffsets(name: string, ledger: Uint8Array): HeaderOffsets {
  const view = new DataView(ledger.buffer, ledger.byteOffset, ledger.byteLength);
  let at = 0;
  const u32 = (): number => {
    if (at + 4 > view.byteLength)
      throw fault(name, at, `the ledger ends at byte ${view.byteLength}, inside its header`);
    at += 4;
    return view.getUint32(at - 4);
  };
  const arm = (what: string, max: number): number => {
    const value = u32();
    if (value > max) throw fault(name, at - 4, `${what} is ${value}, and 0 to ${max} are known`);
    return value;
  };
  /** Opaque data is padded to four bytes. */
  const skip = (length: number): void => {
    at += (length + 3) & ~3;
  };

  const version = arm("the LedgerCloseMeta version", 2);
  // LedgerCloseMetaExt v1: an ExtensionPoint and an int64.
  if (version > 0 && arm("the LedgerCloseMetaExt version", 1) === 1) {
    arm("the ExtensionPoint", 0);
    at += 8;
  }
  at += 32 + 4 + 32 + 32; // hash; ledgerVersion, previousLedgerHash, scpValue.txSetHash
  const closeTime = at;
  at += 8;
  const upgrades = arm("the number of upgrades", UPGRADES_MAX);
  for (let i = 0; i < upgrades; i++) skip(arm("the length of an upgrade", UPGRADE_BYTES_MAX));
  if (arm("the StellarValue ext", 1) === 1) {
    arm("the public key type", 0);
    at += 32;
    skip(arm("the length of the signature", SIGNATURE_BYTES_MAX));
  }
  at += 32 + 32; // txSetResultHash, bucketListHash
  const ledgerSequence = at;
  u32();
  return { ledgerSequence, closeTime };
}

/** The sequence number in the header of one LedgerCloseMeta. @throws as headerOffsets does */
export function headerSequence(name: string, ledger: Uint8Array): number {
  const { ledgerSequence } = headerOffsets(name, ledger);
  return new DataView(ledger.buffer, ledger.byteOffset, ledger.byteLength).getUint32(ledgerSequence);
}

function fault(name: string, at: number, detail: string): CodedError {
  return new CodedError("DATA_LOSS", "LEDGER_HEADER", `${name}: not a ledger: at byte ${at}, ${detail}`);
}
