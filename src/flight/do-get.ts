/**
 * DoGet's loop, the hot path: one batch is one message, written by the one-copy codec, and its memory is let go once
 * its bytes are in the gRPC frame.
 */
import type * as grpc from "@grpc/grpc-js";
import type { Ticket } from "../grpc/generated/flight.ts";
import { statusOf } from "../grpc/service.ts";
import type { OutgoingFlightData } from "./flight-data.ts";
import type { GetOutcome, OutgoingStream } from "./producer.ts";
import { flushed, writeWithBackpressure } from "./write.ts";

export type DoGetCall = grpc.ServerWritableStream<Ticket, OutgoingFlightData>;

/** Streams until the end, an error or the client's leaving; `stream` is closed in any case. */
export async function runDoGet(
  call: DoGetCall,
  stream: OutgoingStream,
  onError: (thrown: unknown) => void,
  nowMs: () => number,
): Promise<void> {
  let closed = false;
  const close = (outcome: GetOutcome) => {
    if (closed) return;
    closed = true;
    stream.close(outcome);
  };
  const leave = () => close("cancelled");
  call.once("cancelled", leave);
  call.once("close", leave);
  if (call.cancelled || call.destroyed) return leave();
  try {
    for (const message of stream.opening) if (!(await writeWithBackpressure(call, message))) return leave();
    for (;;) {
      const batch = await stream.next();
      if (batch === undefined) break;
      const begun = nowMs();
      let went: boolean;
      stream.writing?.();
      try {
        went = await writeWithBackpressure(call, batch.message, { signal: stream.endedSignal });
      } finally {
        batch.release();
      }
      if (!went) return leave();
      stream.wrote?.(batch, nowMs() - begun);
    }
    if (closed) return; // the client left, which ends a stream without an error
    close("completed");
    call.end();
  } catch (thrown) {
    if (closed) return;
    onError(thrown);
    const status = statusOf(thrown);
    const cursor = stream.cursor?.();
    if (cursor !== undefined) status.metadata.set("cursor", cursor);
    close("failed");
    await flushed(call);
    call.emit("error", status);
  }
}
