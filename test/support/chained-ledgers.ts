/** Made ledgers that follow each other, but for what a test changes. */
import { ledgerHeader } from "../../src/ledger/header.ts";
import { buildLedger, created, id, scU32 } from "../ledger/build.ts";
import { link } from "./chain.ts";

/** What a test does to a ledger before the next one follows it. */
export type LedgerChange = (sequence: number, bytes: Uint8Array) => void;

/** A made ledger of one row. */
export function rowLedger(sequence: number): Uint8Array {
  const operations = [[created({ contract: id(sequence), key: scU32(1) })]];
  return buildLedger({ sequence, transactions: [{ operations }] });
}

/** Made ledgers by number, of a row each; their chain holds but for what `change` does. */
export function chainedLedgers(first: number, last: number, change: LedgerChange): Map<number, Uint8Array> {
  const ledgers = new Map<number, Uint8Array>();
  let hash = id(0);
  for (let sequence = first; sequence <= last; sequence++) {
    const bytes = rowLedger(sequence);
    link(bytes, hash);
    change(sequence, bytes);
    hash = new Uint8Array(ledgerHeader(bytes).hash);
    ledgers.set(sequence, bytes);
  }
  return ledgers;
}
