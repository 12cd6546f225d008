/** Limits of the XDR readers, and the one way in which the fast ones give up. */

/** Levels of types inside themselves (ScVal, ClaimPredicate, ...). The host stops contracts at 100; core at 200 XDR levels. */
export const XDR_DEPTH_MAX = 200;

/** One ledger's bytes: positions are kept in 31 bits, and nothing real comes near. */
export const XDR_BYTES_MAX = 0x7fff_ffff;

/** Thrown by `fail`; never leaves this project's readers: the caller asks `explain` what is wrong and where. */
export const MALFORMED: unique symbol = Symbol("malformed XDR");

/** Ends a fast walk. Carries nothing, so that the hot code stays small: see inspect.ts. */
export function fail(): never {
  throw MALFORMED;
}
