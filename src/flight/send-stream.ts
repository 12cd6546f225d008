/** The loop of every DoGet, whatever its client reads by: gRPC (do-get.ts), or HTTP through the main thread (row-reads.ts). */
import type { FlightDataMessage } from "./flight-data.ts";
import type { OutgoingStream } from "./producer.ts";

/**
 * Hands all of a stream to a client, one message after the other, and tells the stream how long the client took.
 *
 * @param write resolves true when the message's memory may be used again, false when the client has left
 * @returns false when the client has left
 * @throws what ends the stream
 */
export async function sendStream(
  stream: OutgoingStream,
  write: (message: FlightDataMessage) => Promise<boolean>,
  nowMs: () => number,
): Promise<boolean> {
  stream.writing?.();
  for (const message of stream.opening) {
    if (!(await write(message))) return false;
  }
  stream.opened?.();
  for (;;) {
    const batch = await stream.next();
    if (batch === undefined) return true;
    const begun = nowMs();
    let went: boolean;
    stream.writing?.();
    try {
      went = await write(batch.message);
    } finally {
      batch.release();
    }
    if (!went) return false;
    stream.wrote?.(batch, nowMs() - begun);
  }
}
