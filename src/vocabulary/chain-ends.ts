/** Both ends of the chain of ledger headers over a run of ledgers; hashes are hex. */
export interface LedgerChainEnds {
  ledger_first: number;
  /** Hash of the ledger before the first, as the first names it. */
  previous_ledger_hash: string;
  ledger_last: number;
  /** Hash of the last ledger. */
  ledger_hash: string;
}

/** The trailer of a range's DoGet that has them, as JSON. */
export const CHAIN_TRAILER = "ledger-chain";
