/** Turns the two ways in which a fast walk gives up into an XdrError that says what and where. */
import { XdrError } from "./error.ts";
import { findFault } from "./inspect.ts";
import { MALFORMED } from "./limits.ts";

/**
 * What `thrown`, out of a fast walk over `view`, means. A walk ends early with MALFORMED (a check failed) or with
 * RangeError (DataView refused a read past the end); anything else is not the walk's and is handed back as it is.
 */
export function explain(thrown: unknown, typeName: string, view: DataView): unknown {
  if (thrown !== MALFORMED && !(thrown instanceof RangeError)) return thrown;
  const fault = findFault(typeName, view);
  if (fault !== undefined) return fault;
  return new XdrError("XDR_VALUE", typeName, 0, typeName, "malformed, although the slow reader finds no fault");
}

/** The walk must end on the last byte: `end` is where it ended. */
export function explainEnd(end: number, typeName: string, view: DataView): XdrError {
  const fault = findFault(typeName, view);
  if (fault !== undefined) return fault;
  return new XdrError("XDR_TRUNCATED", typeName, view.byteLength, typeName, `the walk ended at byte ${end}`);
}
