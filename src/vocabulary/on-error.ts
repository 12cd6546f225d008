/** What becomes of ledgers that cannot be decoded. */

/** ON_ERROR: what a ledger that cannot be decoded does to its stream. */
export type OnError = "strict" | "skip";
