/** Both ends of the chain of ledger headers over a run of ledgers, hex: the next run's `previous_ledger_hash` is this one's `ledger_hash`. */
export interface ChainEnds {
  /** Hash of the ledger before the first, as the first names it. */
  previous_ledger_hash: string;
  /** Hash of the last ledger. */
  ledger_hash: string;
}

/** Ends of the chain, and of which ledgers. */
export interface LedgerChainEnds extends ChainEnds {
  ledger_first: number;
  ledger_last: number;
}

/** The trailer of a range's DoGet that has them, as JSON. */
export const CHAIN_TRAILER = "ledger-chain";
