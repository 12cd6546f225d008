/** What is wrong with a ledger, said with its place. */
import { XdrError, type XdrReason } from "../xdr/error.ts";
import { pathAt } from "../xdr/inspect.ts";
import { CHANGE_REMOVED } from "./terms.ts";

/** The type of the bytes that are walked, as paths of errors begin with it. */
export const ROOT = "LedgerCloseMeta";

/** @throws XdrError with the path of the byte at `at` */
export function refuse(d: DataView, reason: XdrReason, typeName: string, at: number, detail: string): never {
  throw new XdrError(reason, typeName, at, pathAt(ROOT, d, at), detail);
}

/** An updated or removed entry at `p` does not go with the change before it. @throws XdrError LEDGER_CHANGE_PAIRING */
export function unpaired(d: DataView, p: number, what: string): never {
  const name = d.getUint32(p) === CHANGE_REMOVED ? "a removed" : "an updated";
  refuse(d, "LEDGER_CHANGE_PAIRING", "LedgerEntryChange", p, `${name} entry ${what}`);
}
