/** Which failures of a read pass, and how long to wait before the next try. */
import type { CodedError } from "../error.ts";

/** First and longest wait between two tries. */
export const RETRY_MS_MIN = 250;
export const RETRY_MS_MAX = 30_000; // a server that is back is noticed within half a minute

/** What a gRPC library says of a connection, or of a server, that is not well. */
const BROKEN = ["INTERNAL", "CANCELLED", "UNKNOWN", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"];

/** Whether the same read may work later, or elsewhere: the other side is away, or has sent this client off to come back. */
export function isPassing({ code, reason }: CodedError): boolean {
  const isBroken = reason.startsWith("GRPC_") && BROKEN.includes(code);
  return code === "UNAVAILABLE" || reason === "SLOW_CLIENT" || reason === "RANGES_MAX" || isBroken;
}
