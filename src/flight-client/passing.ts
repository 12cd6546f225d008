/** Which failures of a read pass. */
import type { CodedError } from "../error.ts";

/** Whether the same read may work later, or elsewhere: the other side is away, or has sent this client off to come back. */
export function isPassing({ code, reason }: CodedError): boolean {
  const isBroken =
    reason.startsWith("GRPC_") && ["INTERNAL", "CANCELLED", "UNKNOWN", "RESOURCE_EXHAUSTED"].includes(code);
  return code === "UNAVAILABLE" || reason === "SLOW_CLIENT" || reason === "RANGES_MAX" || isBroken;
}
