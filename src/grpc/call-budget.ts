/**
 * What all calls of a listener may hold together. Limits of a single call (a request's size, streams of a connection) say
 * nothing about their sum: twenty clients that each send all but the last byte of a 64 MiB request hold 1.3 GB.
 *
 * Counted is, for every open call, its headers, the newest request message as far as it has come, and the answers that a handler has
 * announced (`chargeAnswer`) until the call is closed, so also while nobody reads them. One remote address (the host,
 * whatever its connections) and all together have a limit; what is over it is refused with RESOURCE_EXHAUSTED, and the
 * call is closed, so that nothing of it is held any more.
 */

import { constants, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { CODE_NUMBERS } from "../codes.ts";
import { CodedError } from "../error.ts";
import type { Reason } from "../reasons/registry.ts";

/** What calls may hold at once, of one remote address and of all together. */
export interface CallLimits {
  peerCallsMax: number;
  callsMax: number;
  /** Bytes of half-received and received requests and of announced answers. */
  peerBytesMax: number;
  bytesMax: number;
  /** The listener's limit of one request, inflated: a compressed one is never counted for more. */
  requestBytesMax: number;
  /**
   * A half-sent request that does not go on, and an answer that is not read to its end, may hold its bytes for so many
   * milliseconds while somebody else would be refused for them; then its call is ended.
   */
  stallMs: number;
}

/** Bytes of each call that are not counted, so that small calls are answered while large ones have used up the rest. */
export const CALL_BYTES_FREE = 4096; // status, descriptors and most tickets; with the most calls 16 MiB

/** Limits of a listener that accepts requests of 64 MiB. */
export const CALL_LIMITS_DEFAULT: CallLimits = {
  peerCallsMax: 2048, // two connections full of streams (grpc.max_concurrent_streams)
  callsMax: 4096, // an idle call takes some 13 kB: 53 MB
  peerBytesMax: 65 << 20, // one largest request (64 MiB), and small ones beside it
  bytesMax: 96 << 20, // leaves room for others beside the peer that holds most
  requestBytesMax: 64 << 20,
  stallMs: 30_000, // as SLOW_CLIENT_GRACE's default
};

const INFLATED_FACTOR_MAX = 1032; // deflate, and so gzip, makes no more of a byte
const MESSAGE_PREFIX_BYTES = 5; // compressed flag (1), length (4): gRPC over HTTP/2, "Length-Prefixed-Message"
const accounts = new WeakMap<object, CallAccount>();

/**
 * Follows gRPC's message framing in the data of one call. A compressed message counts, once it has come, for as much as it
 * may inflate to: grpc-js inflates it at once, and sixty kilobytes can be sixty megabytes.
 */
export class MessageMeter {
  /** Bytes of the newest message that have come, its prefix included; of a compressed one that is whole, see above. */
  held = 0;
  #prefixFill = 0;
  #length = 0; // of the message whose prefix has come, or as much of that number as has
  #left = 0; // of the message at hand, behind its prefix
  #compressed = false;

  /** @param requestBytesMax what a message is not inflated beyond */
  constructor(private readonly requestBytesMax = Number.POSITIVE_INFINITY) {}

  /** Whether the newest message has begun and is not whole. */
  get partial(): boolean {
    return this.#left > 0 || this.#prefixFill > 0;
  }

  /** Takes the next bytes, split anywhere. */
  add(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const count = Math.min(this.#left, chunk.length - at);
        this.#left -= count;
        this.held += count;
        at += count;
        if (this.#left === 0 && this.#compressed) {
          this.held += Math.min(this.#length * INFLATED_FACTOR_MAX, this.requestBytesMax);
        }
        continue;
      }
      const byte = chunk[at++] as number;
      if (this.#prefixFill === 0) {
        this.held = 0;
        this.#length = 0;
        this.#compressed = byte !== 0;
      } else {
        this.#length = this.#length * 256 + byte;
      }
      this.held++;
      this.#prefixFill++;
      if (this.#prefixFill < MESSAGE_PREFIX_BYTES) continue;
      this.#prefixFill = 0;
      this.#left = this.#length;
    }
  }
}

interface Held {
  calls: number;
  bytes: number;
}

/** A call whose bytes count. */
interface Holder {
  /** Whether it waits for its client: for the rest of a request, or to read an answer. */
  readonly waitsForClient: boolean;
  /** When its client was last heard of with it, by performance.now(). */
  readonly movedMs: number;
  /** Ends the call. */
  giveUp(error: CodedError): void;
}

/** The sums of one listener. */
export class CallBudget {
  readonly #limits: CallLimits;
  readonly #all: Held = { calls: 0, bytes: 0 };
  readonly #peers = new Map<string, Held>();
  /** Calls whose bytes count at present. */
  readonly holders = new Set<Holder>();
  /** Calls refused since the start. */
  refused = 0;

  constructor(limits: CallLimits) {
    this.#limits = limits;
  }

  get requestBytesMax(): number {
    return this.#limits.requestBytesMax;
  }

  get calls(): number {
    return this.#all.calls;
  }

  /** Bytes that count, so without the free ones of each call. */
  get bytes(): number {
    return this.#all.bytes;
  }

  /**
   * One more call of `peer`; give it back with `end`.
   * @throws CodedError RESOURCE_EXHAUSTED / CALLS_MAX
   */
  begin(peer: string): void {
    const { peerCallsMax, callsMax } = this.#limits;
    const held = this.#peers.get(peer);
    if ((held?.calls ?? 0) >= peerCallsMax) {
      throw refusal(
        "CALLS_MAX",
        `${held?.calls} calls of ${peer} are open, and ${peerCallsMax} is the limit: end some`,
      );
    }
    if (this.#all.calls >= callsMax) {
      throw refusal("CALLS_MAX", `${this.#all.calls} calls are open, and ${callsMax} is the limit: try again later`);
    }
    this.#all.calls++;
    if (held === undefined) this.#peers.set(peer, { calls: 1, bytes: 0 });
    else held.calls++;
  }

  /**
   * Changes what `peer` holds by `bytes`, which may be less than 0.
   * @throws CodedError RESOURCE_EXHAUSTED / CALL_BYTES, with nothing changed
   */
  change(peer: string, bytes: number): void {
    const held = this.#peers.get(peer);
    if (held === undefined) return;
    let error = this.#refusalOf(peer, held, bytes);
    if (error !== undefined && this.#endStalled()) error = this.#refusalOf(peer, held, bytes);
    if (error !== undefined) throw error;
    held.bytes += bytes;
    this.#all.bytes += bytes;
  }

  #refusalOf(peer: string, held: Held, bytes: number): CodedError | undefined {
    const { peerBytesMax, bytesMax } = this.#limits;
    if (bytes <= 0) return undefined;
    if (held.bytes + bytes > peerBytesMax) {
      return refusal(
        "CALL_BYTES",
        `requests and answers of ${peer} hold ${held.bytes} B, ${bytes} B more are over ${peerBytesMax} B: wait for the end of other calls, or read their answers`,
      );
    }
    if (this.#all.bytes + bytes > bytesMax) {
      return refusal(
        "CALL_BYTES",
        `requests and answers of all clients hold ${this.#all.bytes} B, ${bytes} B more are over ${bytesMax} B: try again later`,
      );
    }
    return undefined;
  }

  /** Ends calls whose clients neither go on sending nor read. Whether there were any. */
  #endStalled(): boolean {
    const { stallMs } = this.#limits;
    const before = performance.now() - stallMs;
    const stalled = [...this.holders].filter((each) => each.waitsForClient && each.movedMs < before);
    for (const each of stalled) {
      each.giveUp(
        refusal("CALL_STALLED", `nothing was sent or read in this call for ${stallMs} ms, and others need its memory`),
      );
    }
    return stalled.length > 0;
  }

  end(peer: string): void {
    const held = this.#peers.get(peer);
    if (held === undefined) return;
    this.#all.calls--;
    if (--held.calls === 0) this.#peers.delete(peer);
  }
}

/** What one call holds of a budget. */
class CallAccount implements Holder {
  movedMs = performance.now();
  readonly #meter: MessageMeter;
  #headerBytes = 0;
  #answerBytes = 0;
  #charged = 0;
  #over = false;

  constructor(
    readonly budget: CallBudget,
    readonly peer: string,
    readonly refuse: (error: CodedError) => void,
  ) {
    this.#meter = new MessageMeter(budget.requestBytesMax);
  }

  get waitsForClient(): boolean {
    return this.#answerBytes > 0 || this.#meter.partial;
  }

  /** @throws CodedError RESOURCE_EXHAUSTED / CALL_BYTES */
  began(headerBytes: number): void {
    this.#headerBytes = headerBytes;
    this.#settle(0);
  }

  /** @throws CodedError RESOURCE_EXHAUSTED / CALL_BYTES */
  received(chunk: Uint8Array): void {
    this.movedMs = performance.now();
    this.#meter.add(chunk);
    this.#settle(this.#answerBytes);
  }

  /** @throws CodedError RESOURCE_EXHAUSTED / CALL_BYTES */
  answers(bytes: number): void {
    if (bytes <= this.#answerBytes) return;
    this.movedMs = performance.now();
    this.#settle(bytes);
    this.#answerBytes = bytes;
  }

  giveUp(error: CodedError): void {
    this.end();
    this.refuse(error);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.budget.holders.delete(this);
    this.budget.change(this.peer, -this.#charged);
    this.budget.end(this.peer);
  }

  #settle(answerBytes: number): void {
    if (this.#over) return;
    const charge = Math.max(0, this.#headerBytes + this.#meter.held + answerBytes - CALL_BYTES_FREE);
    if (charge === this.#charged) return;
    const { holders } = this.budget;
    holders.delete(this); // it makes no room for itself
    try {
      this.budget.change(this.peer, charge - this.#charged);
      this.#charged = charge;
    } finally {
      if (this.#charged > 0) holders.add(this);
    }
  }
}

/** Puts every call that comes to `server` under `budget`; calls that do not fit never reach a handler. */
export function budgetCalls(server: Http2Server, budget: CallBudget): void {
  // Before grpc-js's own listener: a stream that is closed there already is none to it.
  server.prependListener("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const peer = stream.session?.socket?.remoteAddress ?? "a client without address";
    try {
      budget.begin(peer);
    } catch (error) {
      refuse(budget, stream, CodedError.from(error));
      return;
    }
    const account = new CallAccount(budget, peer, (error) => refuse(budget, stream, error));
    accounts.set(stream, account);
    stream.once("close", () => account.end());
    const counted = (count: () => void) => {
      if (stream.closed) return;
      try {
        count();
      } catch (error) {
        account.giveUp(CodedError.from(error));
      }
    };
    counted(() => account.began(headerBytes(headers)));
    stream.on("data", (chunk: Buffer) => counted(() => account.received(chunk)));
  });
}

/**
 * Counts `bytes` for the whole answer of the call on `stream` until the stream is closed; what was announced before is
 * part of it. Announce an estimate before the answer is made where making it costs much.
 * @throws CodedError RESOURCE_EXHAUSTED / CALL_BYTES; the caller ends the call with it
 */
export function chargeAnswer(stream: object | undefined, bytes: number): void {
  if (stream !== undefined) accounts.get(stream)?.answers(bytes);
}

function headerBytes(headers: IncomingHttpHeaders): number {
  let bytes = 0;
  for (const name in headers) bytes += name.length + String(headers[name]).length;
  return bytes;
}

function refusal(reason: Reason, message: string): CodedError {
  return new CodedError("RESOURCE_EXHAUSTED", reason, message);
}

/** Answers by a status, and closes the stream, so that the client sends no more. */
function refuse(budget: CallBudget, stream: ServerHttp2Stream, error: CodedError): void {
  budget.refused++;
  if (stream.headersSent) {
    stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM); // gRPC clients read it as RESOURCE_EXHAUSTED
    return;
  }
  const headers = {
    ":status": 200,
    "content-type": "application/grpc+proto",
    "grpc-status": String(CODE_NUMBERS[error.code]),
    "grpc-message": encodeURI(error.message),
    reason: error.reason,
  };
  stream.respond(headers, { endStream: true });
  stream.close(constants.NGHTTP2_NO_ERROR); // RFC 9113 section 8.1: the answer is whole, the rest of the request unwanted
}
