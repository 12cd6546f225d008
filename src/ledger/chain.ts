/**
 * The chain of ledgers: each header names the hash of the header before it, and that hash is sha256 of the header's XDR
 * (Stellar-ledger.x: LedgerHeader.previousLedgerHash, LedgerHeaderHistoryEntry.hash).
 *
 * It proves that headers follow each other. Transactions, results and entry changes are not part of a header, which only
 * names hashes of some of them; those hashes are not computed here.
 */
import { CodedError } from "../error.ts";
import { sha256 } from "../xdr/sha256.ts";
import { ledgerHeader } from "./header.ts";

/** One ledger's place in the chain; crosses threads. */
export interface ChainLink {
  ledger: number;
  /** The object that it was found in. */
  object: string;
  /** 32 bytes each: of the header before, as the header names it; and of its own header, as the ledger says it. */
  previousLedgerHash: Uint8Array;
  hash: Uint8Array;
}

/** The link of one LedgerCloseMeta. @throws XdrError where the bytes up to the header's end are not one */
export function chainLink(bytes: Uint8Array, object: string): ChainLink & { fault?: string } {
  const { sequence, header, previousLedgerHash, hash } = ledgerHeader(bytes);
  const link = {
    ledger: sequence,
    object,
    previousLedgerHash: new Uint8Array(previousLedgerHash),
    hash: new Uint8Array(hash),
  };
  const computed = sha256(new Uint8Array(header)); // the bytes may be shared memory, which hashes do not read
  if (isSame(computed, link.hash)) return link;
  return {
    ...link,
    fault: `it says that its header has the hash ${hashText(link.hash)}, and it is ${hashText(computed)}`,
  };
}

/** How `link` does not follow `before`; undefined where it does, or is not the next ledger. */
export function breakBetween(before: ChainLink | undefined, link: ChainLink): string | undefined {
  if (before?.ledger !== link.ledger - 1 || isSame(before.hash, link.previousLedgerHash)) return undefined;
  return `it follows ${hashText(link.previousLedgerHash)}, and ledger ${before.ledger} in ${before.object} is ${hashText(before.hash)}`;
}

/** @throws CodedError DATA_LOSS / CHAIN_BROKEN where `link` does not follow `before` */
export function checkFollows(before: ChainLink | undefined, link: ChainLink): void {
  const fault = breakBetween(before, link);
  if (fault !== undefined) throw chainBroken(link, fault);
}

/** Checks ledgers one after the other. Where one is not the next ledger, the check begins anew with it. */
export class LedgerChain {
  /** The last ledger that was checked. */
  last: ChainLink | undefined;

  /**
   * Checks one LedgerCloseMeta against its own hash, and against the ledger before.
   * @throws CodedError DATA_LOSS / CHAIN_BROKEN; XdrError as `chainLink`
   */
  take(bytes: Uint8Array, object: string): ChainLink {
    const { fault, ...link } = chainLink(bytes, object);
    if (fault !== undefined) throw chainBroken(link, fault);
    checkFollows(this.last, link);
    this.last = link;
    return link;
  }
}

function chainBroken({ ledger, object }: ChainLink, fault: string): CodedError {
  return new CodedError(
    "DATA_LOSS",
    "CHAIN_BROKEN",
    `ledger ${ledger}: ${object}: ${fault}: get the ledgers anew from a source that is sound, or read them unchecked with VERIFY_CHAIN=off`,
  );
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** A hash as it is printed: hex. */
export function hashText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
