import { CodedError } from "../error.ts";

/** Stable reasons of an XdrError. */
export type XdrReason =
  /** The bytes end inside a value. */
  | "XDR_TRUNCATED"
  /** A union discriminant that this version of the type definitions does not have. */
  | "XDR_UNKNOWN_ARM"
  /** Types nested in themselves deeper than XDR_DEPTH_MAX. */
  | "XDR_TOO_DEEP"
  /** Bytes are left after the value. */
  | "XDR_TRAILING_BYTES"
  /** An element count or byte length over the type's limit, or over what the bytes left can hold. */
  | "XDR_LENGTH"
  /** A value that the type does not allow (an optional flag over 1, an enum value that is used and unknown). */
  | "XDR_VALUE"
  /** Ledger entry changes that do not pair as CAP-62 and the meta's own rules say. */
  | "LEDGER_CHANGE_PAIRING"
  /** A header that cannot be: a close time that no timestamp holds. */
  | "LEDGER_HEADER"
  /** A LedgerCloseMetaBatch whose range and count of ledgers disagree. */
  | "BATCH_HEAD"
  /** Another ledger than the one that should stand in its place. */
  | "LEDGER_OUT_OF_STEP";

/**
 * Bytes that are not the XDR they should be. `path` leads from the outermost type to the value
 * (`LedgerCloseMeta.v1.txProcessing[3].txApplyProcessing.v3.operations[0].changes[2]`), `byteOffset` counts from the
 * first byte of that outermost value, `typeName` is the XDR type that was being read there.
 */
export class XdrError extends CodedError {
  constructor(
    override readonly reason: XdrReason,
    readonly typeName: string,
    readonly byteOffset: number,
    readonly path: string,
    detail: string,
  ) {
    super("DATA_LOSS", reason, `${detail} (${typeName} at byte ${byteOffset}, ${path})`);
    this.name = "XdrError";
  }
}
