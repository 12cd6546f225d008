/**
 * Writing FlightData to a server call at the speed of its client: on the call's lane past node:http2 where its connection
 * has one (http2-lane.ts), else through grpc-js.
 */
import type { ServerDuplexStream, ServerWritableStream } from "@grpc/grpc-js";
import { http2SessionOf, laneOf, resetCall } from "../grpc/grpc-internals.ts";
import type { Lane } from "../http2/http2-lane.ts";
import { noteWaitingWriter } from "../http2/http2-wakeup-guard.ts";
import {
  assertFlightDataFits,
  type FlightDataMessage,
  grpcFlightDataParts,
  type OutgoingFlightData,
} from "./flight-data.ts";

/** A DoGet or DoExchange call whose `responseSerialize` is `serializeFlightData`. */
export type FlightDataCall<Request = unknown> =
  | ServerWritableStream<Request, OutgoingFlightData>
  | ServerDuplexStream<Request, OutgoingFlightData>;

interface WriteOptions {
  /**
   * Ends the wait for a client that is too slow: what is not copied yet is copied into memory of its own, where it stays
   * queued, and the promise resolves true at once. Set a status after `flushed`: the client gets it behind what is
   * queued, when it reads again. To drop it all: `resetCall(call)`.
   */
  signal?: AbortSignal;
}

const TIMER_MS_MAX = 0x7fffffff; // setTimeout takes 31 bits and fires at once above
const TURN_MS = 1; // of writing without giving the event loop a turn; other clients wait for it

function isOver(call: FlightDataCall): boolean {
  return call.cancelled || call.destroyed || call.writableEnded;
}

/** Milliseconds until the client's deadline, or undefined when it set none that a timer can hold. */
function msToDeadline(call: FlightDataCall): number | undefined {
  const ms = Number(call.getDeadline()) - Date.now();
  return ms <= TIMER_MS_MAX ? Math.max(0, ms) : undefined;
}

function ownCopy(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes === undefined ? undefined : new Uint8Array(bytes);
}

/** Takes the caller's memory out of a queued message, which is then nothing. */
function drop(message: OutgoingFlightData): void {
  message.descriptor = undefined;
  message.dataHeader = undefined;
  message.appMetadata = undefined;
  message.dataBody = undefined;
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
 *   was not sent, or not to its end, and nothing will read its memory any more. Further writes give false as well.
 * True does not say that the client got it: a call that is being cancelled may still copy the message that waits.
 *
 * With one writer per call that awaits each result, at most one message waits uncopied, besides those in the HTTP/2
 * queue. It never hangs on a call that is over; a client that stays connected, set no deadline and does not read keeps
 * it waiting until `signal` aborts or the call is ended from outside (`resetCall` in grpc-internals.ts).
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
  const lane = laneOf(call);
  return lane === undefined ? writeToCall(call, message, signal) : writeToLane(call, lane, message, signal);
}

/**
 * Time without a byte taken after which a call that the server ends is reset, and its status is lost to the client.
 */
export const FLUSH_STILL_MS_MAX = 10_000; // a client that is only slow, or looks again, still gets status and cursor

/**
 * Waits until all that was written is sent, so that a status comes behind it. True: it is sent, or the call is over.
 * False: the client took no byte of it for `stillMsMax` milliseconds, and the call is to be reset.
 */
export async function flushed(call: FlightDataCall, stillMsMax: number = FLUSH_STILL_MS_MAX): Promise<boolean> {
  const lane = isOver(call) ? undefined : laneOf(call);
  if (lane === undefined) return true;
  const drained = lane.drained().then(() => true);
  for (let left = lane.bytesLeft; left > 0; left = lane.bytesLeft) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), stillMsMax);
    });
    const sent = await Promise.race([drained, late]);
    clearTimeout(timer);
    if (!sent && lane.bytesLeft === left) return false;
  }
  return true;
}

let turnMs = 0;

async function writeToLane(
  call: FlightDataCall,
  lane: Lane,
  message: FlightDataMessage,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const written = lane.write(grpcFlightDataParts(message));
  if (written instanceof Promise) {
    const sent = await waiting(call, { signal, onAbort: () => lane.detach() }, () => written);
    if (!sent) lane.close(); // also when the call was given up here and its stream is still open
    return sent;
  }
  if (performance.now() - turnMs >= TURN_MS) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    turnMs = performance.now();
  }
  return written;
}

async function writeToCall(
  call: FlightDataCall,
  message: FlightDataMessage,
  signal: AbortSignal | undefined,
): Promise<boolean> {
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
  let finish: (written: boolean) => void = () => {};
  const check = () => {
    if (copied && !call.writableNeedDrain) finish(true);
  };
  const onAbort = () => {
    if (!copied) detach(outgoing);
    finish(true);
  };
  try {
    call.on("drain", check);
    const written = await waiting(
      call,
      { signal, onAbort },
      () =>
        new Promise((resolve) => {
          finish = resolve;
          settle = check;
        }),
    );
    if (!written) drop(outgoing);
    return written;
  } finally {
    settle = undefined;
    call.off("drain", check);
    stopWaiting();
  }
}

/** Waits for a write, or for the end of its call: then false. */
async function waiting(
  call: FlightDataCall,
  { signal, onAbort }: { signal: AbortSignal | undefined; onAbort: () => void },
  write: () => Promise<boolean>,
): Promise<boolean> {
  let onOver: () => void = () => {};
  let deadlineTimer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<false>((resolve) => {
    onOver = () => resolve(false);
    // At the deadline grpc-js only puts a status behind what is queued. It tells nobody, and the message that waits
    // would end up as a write after the end, which leaves the client without any end. It has given up by then too.
    const ms = msToDeadline(call);
    if (ms === undefined) return;
    deadlineTimer = setTimeout(() => {
      resolve(false);
      resetCall(call);
    }, ms);
  });
  call.on("cancelled", onOver);
  call.on("close", onOver);
  signal?.addEventListener("abort", onAbort);
  const written = write();
  if (signal?.aborted) onAbort();
  try {
    return await Promise.race([written, over]);
  } finally {
    clearTimeout(deadlineTimer);
    call.off("cancelled", onOver);
    call.off("close", onOver);
    signal?.removeEventListener("abort", onAbort);
  }
}
