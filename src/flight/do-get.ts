/**
 * DoGet over gRPC, the hot path: one batch is one message, written by the one-copy codec, and its memory is let go once
 * its bytes are in the gRPC frame.
 */
import * as grpc from "@grpc/grpc-js";
import type { Ticket } from "../grpc/generated/flight.ts";
import { resetCall } from "../grpc/grpc-internals.ts";
import { statusOf } from "../grpc/service.ts";
import { Http2ErrorCode } from "../http2/http2-frames.ts";
import type { FlightDataMessage, OutgoingFlightData } from "./flight-data.ts";
import type { GetOutcome, OutgoingStream } from "./producer.ts";
import { sendStream } from "./send-stream.ts";
import { flushed, writeWithBackpressure } from "./write.ts";

interface DoGetOptions {
  /** Told of what ends the stream with an error. */
  onError: (thrown: unknown) => void;
  /** A clock, in monotonic milliseconds. */
  nowMs: () => number;
  /** Default FLUSH_STILL_MS_MAX. */
  flushStillMsMax?: number;
}

/** A DoGet call whose responses go through `serializeFlightData` in place of the generated codec. */
export type DoGetCall = grpc.ServerWritableStream<Ticket, OutgoingFlightData>;

/** Streams until the end, an error or the client's leaving; `stream` is closed in any case. */
export async function runDoGet(
  call: DoGetCall,
  stream: OutgoingStream,
  { onError, nowMs, flushStillMsMax }: DoGetOptions,
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
    const write = (message: FlightDataMessage) => writeWithBackpressure(call, message, { signal: stream.endedSignal });
    if (!(await sendStream(stream, write, nowMs))) return leave();
    if (closed) return; // the client left, which ends a stream without an error
    close("completed");
    const trailers = new grpc.Metadata();
    for (const [name, text] of Object.entries(stream.trailers?.() ?? {})) trailers.set(name, text);
    call.end(trailers);
  } catch (thrown) {
    if (closed) return;
    onError(thrown);
    const status = statusOf(thrown);
    const cursor = stream.cursor?.();
    if (cursor !== undefined) status.metadata.set("cursor", cursor);
    close("failed");
    if (await flushed(call, flushStillMsMax)) call.emit("error", status);
    else resetCall(call, resetCodeOf(status.code));
  }
}

/** The error code of RST_STREAM that gRPC clients turn into the status that is meant, or into the nearest one. */
function resetCodeOf(code: grpc.status): number {
  if (code === grpc.status.RESOURCE_EXHAUSTED) return Http2ErrorCode.ENHANCE_YOUR_CALM;
  return code === grpc.status.CANCELLED ? Http2ErrorCode.CANCEL : Http2ErrorCode.INTERNAL_ERROR;
}
