/**
 * What all calls of a listener may hold together. Limits of a single call (a request's size, streams of a connection) say
 * nothing about their sum: twenty clients that each send all but the last byte of a 64 MiB request hold 1.3 GB.
 *
 * Counted is, for every open call, its headers, the newest request message as far as it has come, and the answers that a handler has
 * announced (`chargeAnswer`) until the call is closed, so also while nobody reads them. One peer and all together have a
 * limit; what is over it is refused with RESOURCE_EXHAUSTED, and the call is closed, so that nothing of it is held any
 * more. A peer is a remote address (the host, whatever its connections), or the name that a call proves (`holdFor`; until
 * then a call counts for all together alone).
 */

import { constants, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { CODE_NUMBERS } from "../codes.ts";
import { CodedError } from "../error.ts";
import type { Reason } from "../reasons/registry.ts";
import type { PeerLimits } from "../vocabulary/peer-limits.ts";
import { MessageMeter } from "./message-meter.ts";

/** What calls may hold at once, of one peer and of all together. */
export interface CallLimits {
  peerCallsMax: number;
  callsMax: number;
  /** Bytes of half-received and received requests and of announced answers. */
  peerBytesMax: number;
  bytesMax: number;
  /** The listener's limit of one request, inflated: a compressed one is never counted for more. */
  requestBytesMax: number;
  /**
   * A request that does not go on, or has not begun, and an answer that is not read to its end, may hold its place and its
   * bytes for so many milliseconds while somebody else would be refused for them; then its call is ended.
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

const STALL_LOOK_MS = 50; // all calls are looked at, and a flood of refusals must not be dear
/** The peer of calls that no limit of one peer is for. */
const ANYBODY = "";
const accounts = new WeakMap<object, CallAccount>();

interface Held {
  calls: number;
  bytes: number;
}

/** An open call. */
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
  readonly holders = new Set<Holder>();
  /** Calls refused since the start. */
  refused = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;

  /** @param peerLimits what a peer is */
  constructor(
    limits: CallLimits,
    readonly peerLimits: PeerLimits = "address",
  ) {
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
    this.#allow(() => this.#peerCallsRefusal(peer) ?? this.#callsRefusal());
    this.#all.calls++;
    this.#heldBy(peer).calls++;
  }

  /**
   * A call that holds `bytes` is another peer's from now on.
   * @throws CodedError RESOURCE_EXHAUSTED / CALLS_MAX, CALL_BYTES, with nothing changed
   */
  move(from: string, to: string, bytes: number): void {
    this.#allow(() => this.#peerCallsRefusal(to) ?? this.#peerBytesRefusal(to, bytes));
    const held = this.#heldBy(to);
    held.calls++;
    held.bytes += bytes;
    this.#heldBy(from).bytes -= bytes;
    this.#leave(from);
  }

  #heldBy(peer: string): Held {
    let held = this.#peers.get(peer);
    if (held === undefined) {
      held = { calls: 0, bytes: 0 };
      this.#peers.set(peer, held);
    }
    return held;
  }

  /** @throws CodedError the refusal, where room cannot be made */
  #allow(refusalOf: () => CodedError | undefined): void {
    let error = refusalOf();
    if (error !== undefined && this.#endStalled()) error = refusalOf();
    if (error !== undefined) throw error;
  }

  #peerCallsRefusal(peer: string): CodedError | undefined {
    const { peerCallsMax } = this.#limits;
    const calls = this.#peers.get(peer)?.calls ?? 0;
    if (peer === ANYBODY || calls < peerCallsMax) return undefined;
    return refusal("CALLS_MAX", `${calls} calls of ${peer} are open, and ${peerCallsMax} is the limit: end some`);
  }

  #callsRefusal(): CodedError | undefined {
    const { callsMax } = this.#limits;
    if (this.#all.calls < callsMax) return undefined;
    return refusal("CALLS_MAX", `${this.#all.calls} calls are open, and ${callsMax} is the limit: try again later`);
  }

  /**
   * Changes what `peer` holds by `bytes`, which may be less than 0.
   * @throws CodedError RESOURCE_EXHAUSTED / CALL_BYTES, with nothing changed
   */
  change(peer: string, bytes: number): void {
    const held = this.#peers.get(peer);
    if (held === undefined) return;
    if (bytes > 0) this.#allow(() => this.#peerBytesRefusal(peer, bytes) ?? this.#bytesRefusal(bytes));
    held.bytes += bytes;
    this.#all.bytes += bytes;
  }

  #peerBytesRefusal(peer: string, bytes: number): CodedError | undefined {
    const { peerBytesMax } = this.#limits;
    const held = this.#peers.get(peer)?.bytes ?? 0;
    if (peer === ANYBODY || held + bytes <= peerBytesMax) return undefined;
    return refusal(
      "CALL_BYTES",
      `requests and answers of ${peer} hold ${held} B, ${bytes} B more are over ${peerBytesMax} B: wait for the end of other calls, or read their answers`,
    );
  }

  #bytesRefusal(bytes: number): CodedError | undefined {
    const { bytesMax } = this.#limits;
    if (this.#all.bytes + bytes <= bytesMax) return undefined;
    return refusal(
      "CALL_BYTES",
      `requests and answers of all clients hold ${this.#all.bytes} B, ${bytes} B more are over ${bytesMax} B: try again later`,
    );
  }

  /** Ends calls whose clients neither go on sending nor read. Whether there were any. */
  #endStalled(): boolean {
    const { stallMs } = this.#limits;
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < STALL_LOOK_MS) return false;
    this.#lookedMs = nowMs;
    const before = nowMs - stallMs;
    const stalled = [...this.holders].filter((each) => each.waitsForClient && each.movedMs < before);
    for (const each of stalled) {
      each.giveUp(
        refusal("CALL_STALLED", `nothing was sent or read in this call for ${stallMs} ms, and others need its place`),
      );
    }
    return stalled.length > 0;
  }

  end(peer: string): void {
    this.#all.calls--;
    this.#leave(peer);
  }

  #leave(peer: string): void {
    if (--this.#heldBy(peer).calls === 0) this.#peers.delete(peer);
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
    private peer: string,
    readonly refuse: (error: CodedError) => void,
  ) {
    this.#meter = new MessageMeter(budget.requestBytesMax);
    budget.holders.add(this);
  }

  get waitsForClient(): boolean {
    return this.#answerBytes > 0 || this.#meter.partial || !this.#meter.whole;
  }

  /** @throws CodedError RESOURCE_EXHAUSTED / CALLS_MAX, CALL_BYTES */
  holdFor(peer: string): void {
    if (this.#over || peer === this.peer) return;
    this.budget.move(this.peer, peer, this.#charged);
    this.peer = peer;
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
      holders.add(this);
    }
  }
}

/** Puts every call that comes to `server` under `budget`; calls that do not fit never reach a handler. */
export function budgetCalls(server: Http2Server, budget: CallBudget): void {
  // Before grpc-js's own listener: a stream that is closed there already is none to it.
  server.prependListener("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const address = stream.session?.socket?.remoteAddress ?? "a client without address";
    const peer = budget.peerLimits === "address" ? address : ANYBODY;
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

/**
 * The call on `stream` has proved a name: where limits go by identity, it counts for that from now on.
 * @throws CodedError RESOURCE_EXHAUSTED / CALLS_MAX, CALL_BYTES; the caller ends the call with it
 */
export function holdFor(stream: object | undefined, name: string): void {
  const account = stream && accounts.get(stream);
  if (account?.budget.peerLimits === "identity") account.holdFor(JSON.stringify(name));
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
