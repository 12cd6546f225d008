/**
 * What grpc-js has to say goes to our log. By itself it writes to stderr whatever a client sent (a header with bytes that
 * gRPC does not allow, as it came), once for each header of each call.
 */
import * as grpc from "@grpc/grpc-js";
import { limitedLines } from "../base/limited-lines.ts";

/** Sends grpc-js's complaints of this thread to `write`, as limitedLines has them. */
export function routeLibraryLog(write: (line: string) => void, nowMs?: () => number): void {
  const line = limitedLines("grpc-js", write, nowMs);
  grpc.setLogger({ error: line, info: line, debug: line });
}
