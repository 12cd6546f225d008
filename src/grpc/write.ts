/** Writing FlightData to a server call at the speed of its client. */
import type { ServerDuplexStream, ServerWritableStream } from "@grpc/grpc-js";
import { assertFlightDataFits, type FlightDataMessage, type OutgoingFlightData } from "./flight-data.ts";
import { http2SessionOf } from "./grpc-internals.ts";
import { noteWaitingWriter } from "./http2-wakeup-guard.ts";

/** A DoGet or DoExchange call whose `responseSerialize` is `serializeFlightData`. */
export type FlightDataCall<Request = unknown> =
  | ServerWritableStream<Request, OutgoingFlightData>
  | ServerDuplexStream<Request, OutgoingFlightData>;

export interface WriteOptions {
  /**
   * Ends the wait for a client that is too slow: a message that is not copied yet is copied into memory of its own, where
   * it stays queued, and the promise resolves true at once. Set a status after that, for example by
   * `call.emit("error", …)`: the client gets it behind what is queued, when it reads again. To drop it all: `call.destroy()`.
   */
  signal?: AbortSignal;
}

function isOver(call: FlightDataCall): boolean {
  return call.cancelled || call.destroyed || call.writableEnded;
}

function ownCopy(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes === undefined ? undefined : Uint8Array.from(bytes);
}

/** Moves a queued message off the caller's memory. */
function detach(message: OutgoingFlightData): void {
  message.descriptor = ownCopy(message.descriptor);
  message.dataHeader = ownCopy(message.dataHeader);
  message.appMetadata = ownCopy(message.appMetadata);
  message.dataBody = ownCopy(message.dataBody);
}

/**
 * Writes one message, and resolves when the call has copied it and has room for the next:
 * - true: every byte of `message` is copied; its memory may be overwritten, and the next message written;
 * - false: the call is over (cancelled, deadline passed, connection lost, ended or destroyed by the server); the message
 *   was not sent in full, and nothing will read its memory any more.
 *
 * With one writer per call that awaits each result, at most one message waits uncopied, besides those in the HTTP/2
 * queue. It never hangs on a call that is over; a client that stays connected and does not read keeps it waiting until
 * `signal` aborts or the call is destroyed.
 *
 * Rejects with RESOURCE_EXHAUSTED when the message is over FLIGHT_DATA_BYTES_MAX; the call is untouched then.
 */
export async function writeWithBackpressure(
  call: FlightDataCall,
  message: FlightDataMessage,
  { signal }: WriteOptions = {},
): Promise<boolean> {
  assertFlightDataFits(message);
  if (isOver(call)) return false;
  let copied = false;
  let settle: (() => void) | undefined;
  const outgoing: OutgoingFlightData = {
    ...message,
    onCopied() {
      copied = true;
      settle?.();
    },
  };
  call.write(outgoing);
  if (copied && !call.writableNeedDrain) return true;
  if (isOver(call)) return false;
  const stopWaiting = noteWaitingWriter(http2SessionOf(call));
  try {
    return await new Promise<boolean>((resolve) => {
      const finish = (result: boolean) => {
        settle = undefined;
        call.off("drain", check);
        call.off("cancelled", onOver);
        call.off("close", onOver);
        signal?.removeEventListener("abort", onAbort);
        resolve(result);
      };
      const check = () => {
        if (copied && !call.writableNeedDrain) finish(true);
      };
      const onOver = () => finish(false);
      const onAbort = () => {
        if (!copied) detach(outgoing);
        finish(true);
      };
      settle = check;
      call.on("drain", check);
      call.on("cancelled", onOver);
      call.on("close", onOver);
      signal?.addEventListener("abort", onAbort);
      if (signal?.aborted) onAbort();
    });
  } finally {
    stopWaiting();
  }
}
