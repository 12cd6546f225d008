/** What clients are told whose replicated session this node does not run any more. */
import { CodedError } from "../error.ts";

/** @returns UNAVAILABLE / LEASE_LOST, or NOT_FOUND / SESSION_GONE where the session was removed */
export function leaseLost(id: string, why: "late" | "replaced" | "removed"): CodedError {
  if (why === "removed") return new CodedError("NOT_FOUND", "SESSION_GONE", `session ${id} has been removed`);
  const what = why === "late" ? "could not renew its lease in time" : "was replaced by another one";
  return new CodedError(
    "UNAVAILABLE",
    "LEASE_LOST",
    `this node ran session ${id}, and ${what}: ask GetFlightInfo on any node, and come back with the cursor of the last batch`,
  );
}
