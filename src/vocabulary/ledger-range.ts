/** First and last ledger of something, both inclusive. */
export interface LedgerRange {
  ledgerFirst: number;
  ledgerLast: number;
}
