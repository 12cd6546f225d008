/** Errors of OwnedRecords. */
import { CodedError } from "../error.ts";
import { RevisionConflict } from "./record-bucket.ts";
import type { LossReason } from "./record-events.ts";

/** Why a call about a record has failed, for whoever made it. */
export function awayError(thrown: unknown): CodedError {
  if (thrown instanceof RevisionConflict) return lostError("replaced");
  return CodedError.from(thrown);
}

const LOST: Record<LossReason, string> = {
  late: "this node could not renew its lease in time",
  replaced: "another node owns it",
  removed: "it was removed",
};

/** @returns UNAVAILABLE / LEASE_LOST: what was to be written is not */
export function lostError(why: LossReason): CodedError {
  return new CodedError("UNAVAILABLE", "LEASE_LOST", `the record was not written: ${LOST[why]}`);
}
