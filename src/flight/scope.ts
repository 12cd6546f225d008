/** What of Flight a caller may read, where its grant names some sessions or contracts only. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { type Identity, isConfined, namesSession } from "../security/grant.ts";
import type { SessionSummary } from "../threads/data-plane-messages.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";
import type { RangeTicket } from "./range-ticket.ts";

/** The sessions that the caller may read. @param identity undefined: nobody is asked */
export function readableSessions(
  identity: Identity | undefined,
  sessions: readonly SessionSummary[],
): readonly SessionSummary[] {
  if (identity === undefined || !isConfined(identity)) return sessions;
  return sessions.filter(({ session, labels }) => namesSession(identity, session, labels ?? {}));
}

/**
 * @param summaryOf asks for a session; it is not called where the caller may read all of them
 * @throws CodedError PERMISSION_DENIED / SCOPE
 */
export async function checkSessionScope(
  identity: Identity | undefined,
  id: string,
  summaryOf: (id: string) => Promise<readonly SessionSummary[]>,
): Promise<void> {
  if (identity === undefined || !isConfined(identity)) return;
  if (readableSessions(identity, await summaryOf(id)).length > 0) return;
  throw outside(identity, `session ${id}`);
}

/** A range has to select contracts of the grant, and no others. @throws CodedError PERMISSION_DENIED / SCOPE */
export function checkRangeScope(identity: Identity | undefined, { dataset, filter }: RangeTicket): void {
  if (identity === undefined || !isConfined(identity)) return;
  if (dataset !== DATASET_DEFAULT) throw outside(identity, `ranges of ${dataset}, which are of all contracts`);
  const { contractIds: own } = identity;
  if (own === undefined) throw outside(identity, "ranges");
  const asked = filter?.contractIds ?? [];
  if (asked.length === 0)
    throw outside(identity, `ranges of all contracts: name some of ${own.length} in contract_ids`);
  const foreign = asked.find((id) => !own.includes(id));
  if (foreign !== undefined) throw outside(identity, `contract ${foreign}`);
}

/** What is about everything. @throws CodedError PERMISSION_DENIED / SCOPE */
export function checkWholeScope(identity: Identity | undefined, what: string): void {
  if (identity !== undefined && isConfined(identity)) throw outside(identity, what);
}

function outside({ name }: Identity, what: string): CodedError {
  return new CodedError("PERMISSION_DENIED", "SCOPE", `${quoted(name)} may not read ${what}`);
}
