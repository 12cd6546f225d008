/** Makes the chain of made ledgers hold. */
import { ledgerHeader } from "../../src/ledger/header.ts";
import { sha256 } from "../../src/xdr/sha256.ts";

const CHAIN_LEDGERS = 1 << 20; // a chain begins anew so often, or it would be long to the ledgers of today

/** Writes the hash of the ledger before into a ledger's header, and the header's hash beside it. Answers with that. */
export function link(ledger: Uint8Array, before: Uint8Array): Uint8Array {
  const { header, previousLedgerHash, hash } = ledgerHeader(ledger);
  previousLedgerHash.set(before);
  const own = sha256(header);
  hash.set(own);
  return own;
}

/**
 * For ledgers that follow from their numbers: the hash that each names as the one before. Whatever is asked for first,
 * the answers are the same.
 * @param head the beginning of that ledger, up to its header's end at least; it is written to
 */
export function chainOf(head: (sequence: number) => Uint8Array): (sequence: number) => Uint8Array {
  const known = new Map<number, Uint8Array>();
  return (sequence) => {
    let at = sequence;
    while (at % CHAIN_LEDGERS !== 0 && !known.has(at)) at -= 1;
    let before = known.get(at) ?? new Uint8Array(32);
    for (; at < sequence; at++) {
      before = link(head(at), before);
      known.set(at + 1, before);
    }
    return before;
  };
}
