/** Which columns a stream has, and which rows there are. */

/**
 * What rows there are. 1: as the Go service's schema has room for them. 2 adds evicted keys, and balances whose holder is
 * not a contract. In the setting `go` both are as 1.
 */
export type SchemaVersion = 1 | 2;
