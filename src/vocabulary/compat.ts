/** Which rules decide about rows. */

/**
 * `go`: exactly the rows of the Go service: no restored entries, the native asset's contract not recognised, no
 * expiration, no instance facts on removed rows, asset codes of any bytes where the contract's id proves them (a forged
 * ledger's may not be UTF-8), and only the transactions' own changes (not fees or upgrades).
 */
export type Compat = "default" | "go";
