/** Which failures of a source time or an operator can mend. */
import type { Code } from "../codes.ts";
import type { CodedError } from "../error.ts";

/**
 * A service, folder or file that is away or not all there, a ledger that has not come while later ones have, access that
 * is not allowed. DATA_LOSS heals by nothing.
 */
const MENDABLE: ReadonlySet<Code> = new Set(["UNAVAILABLE", "NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED"]);

/** Whether time or an operator may mend it. */
export function isMendable({ code }: Pick<CodedError, "code">): boolean {
  return MENDABLE.has(code);
}
