/**
 * What grpc-js has to say goes to our log. By itself it writes to stderr whatever a client sent (a header with bytes that
 * gRPC does not allow, as it came), once for each header of each call.
 */
import * as grpc from "@grpc/grpc-js";
import { shortened } from "../base/text.ts";

const LINE_LENGTH_MAX = 300; // characters; the header's name and why it was refused stand in the first hundred
const LINES_A_MINUTE_MAX = 10; // enough to notice; clients decide how many there would be
const MINUTE_MS = 60_000;

/**
 * Sends grpc-js's complaints of this thread to `write`, shortened, with control characters escaped, and at most
 * LINES_A_MINUTE_MAX of them a minute; the first of the next minute says how many were left out.
 */
export function routeLibraryLog(write: (line: string) => void, nowMs: () => number = () => performance.now()): void {
  let minuteMs = Number.NEGATIVE_INFINITY;
  let lines = 0;
  const line = (...parts: unknown[]) => {
    if (nowMs() - minuteMs >= MINUTE_MS) {
      const left = lines - LINES_A_MINUTE_MAX;
      if (left > 0) write(`${left} more complaints of grpc-js were left out`);
      minuteMs = nowMs();
      lines = 0;
    }
    lines += 1;
    if (lines > LINES_A_MINUTE_MAX) return;
    const text = shortened(parts.map(String).join(" "), LINE_LENGTH_MAX);
    write(text.replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`));
  };
  grpc.setLogger({ error: line, info: line, debug: line });
}
