/**
 * The duplex stream between a client's socket and node:http2 which carries WindowRewriter's work (read that first) and
 * OutboundFrames': large messages pass node:http2 by, on lanes (http2-lane.ts).
 * Give it to grpc-js in place of the socket: `server.createConnectionInjector(credentials).injectConnection(shim)`.
 *
 * Bytes from the client are passed on as views, the socket is paused while node:http2 does not read, and node:http2
 * waits for "drain" while the socket is full. What is buffered here is small frames of one turn of the event loop (Gather).
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import { CodedError } from "../error.ts";
import { DirectCalls, type DirectCallTaker } from "./direct-calls.ts";
import { FloodMeter } from "./flood-meter.ts";
import { Gather } from "./gather.ts";
import { FAULT, GIVEN_UP, goawayCodeOf } from "./given-up.ts";
import { Http2ErrorCode } from "./http2-frames.ts";
import type { Lane } from "./http2-lane.ts";
import { OutboundFrames } from "./http2-outbound.ts";
import { WindowRewriter } from "./http2-window-rewriter.ts";
import { InboundTurns } from "./inbound-turns.ts";

/** Frames that make a server say or keep something, while the client does not take what it is sent. */
const ASKED_MAX = 20_000; // clients have a thousand calls and a ping or two under way; a flood has no end

/**
 * Time from the moment at which the server ends a connection, or the client closes its side, to the socket's end.
 * A client that has closed its side and still takes what is queued gets as long after each write that it takes.
 */
export const CLOSE_MS_MAX = 1000; // enough for a client that is there to read its GOAWAY and to close; others are gone

/** node:http2 ends a session at once for a wrong frame; a ping without an answer takes longer. */
const FAULT_MS_MAX = 50;

/** How long an acknowledgement of SETTINGS is held back for streams that owe window. */
const SETTINGS_HOLD_MS_MAX = 10_000; // clients that time acknowledgements give them a minute

/** Limits of one connection. */
export interface WindowShimOptions {
  /** Whether calls can have lanes. Default true. */
  lanes?: boolean;
  /** Who takes calls past node:http2. Absent: nobody. */
  direct?: DirectCallTaker;
  /** How long a client may take from connecting to its first SETTINGS frame. */
  handshakeMsMax: number;
  /** Default SETTINGS_HOLD_MS_MAX. */
  settingsHoldMsMax?: number;
}

/** Stands between a socket and node:http2: a Duplex that rewrites what comes in and orders what goes out. */
export class WindowShim extends Duplex {
  /** Certificate that the client proved with TLS; undefined on a plain connection or when it sent none. */
  readonly peerCertificate: DetailedPeerCertificate | undefined;
  /** True for TLS. node:http2 and grpc-js see a plain connection either way. */
  readonly secure: boolean;

  readonly #socket: Socket;
  readonly #meter = new FloodMeter();
  readonly #rewriter: WindowRewriter;
  readonly #turns: InboundTurns;
  readonly #outbound: OutboundFrames;
  /** Calls past node:http2; absent where nobody takes any. */
  readonly direct: DirectCalls | undefined;
  readonly #gather: Gather;
  readonly #lanes: boolean;
  readonly #settingsHoldMsMax: number;
  #pushedAll = true; // false once a push found the read side full
  #onDrained: (() => void) | undefined;
  #onFlushed: (() => void) | undefined; // node:http2 has ended, and lanes have not
  #onDirectEnded: (() => void) | undefined; // node:http2 has ended, and direct calls have not
  #inboundEnded = false;
  #takenMs = Number.NEGATIVE_INFINITY; // when node:http2 was last given something of the client
  #isFault = false; // of the client: why node:http2 has ended its session
  #askedBefore = 0; // frames that had been asked when the client had last taken everything
  #handshakeTimer: ReturnType<typeof setTimeout> | undefined;
  #holdTimer: ReturnType<typeof setTimeout> | undefined;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #writesTaken = 0; // by the socket

  /** Takes the socket over: a connected net.Socket, or a TLSSocket after its handshake. */
  constructor(socket: Socket | TLSSocket, options: WindowShimOptions) {
    // A client that has closed its sending side can grant no window and end no call: what is queued is sent, then
    // the connection is closed. node:http2 on Bun does not listen for "end" itself.
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.secure = "encrypted" in socket && socket.encrypted === true;
    this.peerCertificate = this.secure ? readPeerCertificate(socket as TLSSocket) : undefined;
    this.#lanes = options.lanes ?? true;
    this.#settingsHoldMsMax = options.settingsHoldMsMax ?? SETTINGS_HOLD_MS_MAX;
    const read = (bytes: Buffer) => {
      if (!this.push(bytes)) this.#pushedAll = false;
    };
    const written = () => this.#written();
    const gather = new Gather((bytes) => {
      // A socket that was idle has sent the bytes, or copied them, before it returns: by TLS too.
      socket.write(bytes, written);
    });
    this.#gather = gather;
    this.#outbound = new OutboundFrames({
      write: (bytes) => gather.write(bytes),
      get idle() {
        gather.flush();
        return socket.writableLength === 0 && !socket.destroyed;
      },
      grant: (bytes) => {
        if (!this.destroyed) this.#rewriter.grant(bytes);
      },
      fail: (error) => this.destroy(error),
      ended: (stream) => this.#rewriter.ended(stream),
      reset: (code) => this.#allowed(() => this.#meter.reset(code)),
      sent: (frames) => this.#meter.sent(frames),
    });
    const { direct } = options;
    this.direct = direct && new DirectCalls(read, this.#outbound, direct, () => this.#onDirectEnded?.());
    const forNode = this.direct === undefined ? read : (bytes: Buffer) => this.direct!.inbound(bytes);
    this.#rewriter = new WindowRewriter(forNode, this.#outbound, this.#meter);
    const { handshakeMsMax } = options;
    this.#turns = new InboundTurns({
      asked: () => this.#meter.asked,
      isResetting: () => this.#meter.isResetting,
      take: (slice) => {
        if (!this.destroyed) this.#take(slice);
        return !this.destroyed;
      },
      done: () => this.#received(),
    });
    this.#handshakeTimer = setTimeout(() => this.#handshakeTimedOut(handshakeMsMax), handshakeMsMax);
    this.#handshakeTimer.unref();

    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("drain", () => this.#drained());
    socket.on("end", () => {
      this.#inboundEnded = true;
      if (!this.#turns.waiting) this.push(null);
    });
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => {
      clearTimeout(this.#closeTimer);
      this.destroy();
    });
  }

  /**
   * Makes node:http2 on Bun send what it has queued, as http2-wakeup-guard.ts explains: it does so on "drain". Says so
   * only while there is room, which is what "drain" means. To be called from an event loop turn of its own.
   */
  readonly wake = (): void => {
    if (!this.destroyed && !this.writableNeedDrain) this.emit("drain");
  };

  /** The way to the client for a stream's messages past node:http2; undefined when the stream is over. */
  readonly openLane = (stream: number): Lane | undefined => {
    return this.destroyed || !this.#lanes ? undefined : this.#outbound.openLane(stream);
  };

  /** Counts a call that no method serves. @returns false when that has ended the connection */
  readonly countUnserved = (): boolean => this.#allowed(() => this.#meter.unserved());

  /** Streams of this connection that can still be given credit. */
  get openStreams(): number {
    return this.#rewriter.openStreams;
  }

  #receive(chunk: Buffer): void {
    this.#pushedAll = true;
    this.#turns.add(chunk);
    if (this.#turns.waiting || !this.#pushedAll) this.#socket.pause();
  }

  /** All that had come is taken. */
  #received(): void {
    if (this.#inboundEnded) this.push(null);
    else if (this.#pushedAll) this.#socket.resume();
  }

  #take(slice: Buffer): void {
    this.#takenMs = performance.now();
    if (!this.#allowed(() => this.#rewriter.inbound(slice))) return;
    const asked = this.#meter.asked - this.#askedBefore;
    if (asked > ASKED_MAX) {
      this.destroy(
        new CodedError(
          "RESOURCE_EXHAUSTED",
          "HTTP2_LIMIT",
          `${asked} frames ask for an answer, over ${ASKED_MAX}, and the client takes none: is it a flood?`,
        ),
      );
      return;
    }
    if (this.#handshakeTimer !== undefined && this.#rewriter.established) {
      clearTimeout(this.#handshakeTimer);
      this.#handshakeTimer = undefined;
    }
    if (this.#rewriter.holdsSettings && this.#holdTimer === undefined) this.#startHoldTimer();
  }

  /** Does something that throws when the connection has to be ended. @returns whether it goes on */
  #allowed(step: () => void): boolean {
    try {
      step();
    } catch (error) {
      this.destroy(CodedError.from(error));
    }
    return !this.destroyed;
  }

  #startHoldTimer(): void {
    this.#holdTimer = setTimeout(() => {
      this.#holdTimer = undefined;
      if (!this.destroyed) this.#rewriter.releaseSettings();
    }, this.#settingsHoldMsMax);
    this.#holdTimer.unref();
  }

  #handshakeTimedOut(msMax: number): void {
    const sentence = `no HTTP/2 SETTINGS came within ${msMax} ms of connecting`;
    this.destroy(new CodedError("DEADLINE_EXCEEDED", "HTTP2_HANDSHAKE", sentence));
  }

  #drained(): void {
    const callback = this.#onDrained;
    this.#onDrained = undefined;
    if (callback !== undefined) callback();
  }

  override _read(): void {
    this.#pushedAll = true;
    if (!this.#turns.waiting) this.#socket.resume();
  }

  /** The socket has taken something over. */
  #written(): void {
    this.#writesTaken++;
    if (this.destroyed) return;
    if (this.#socket.writableLength === 0) this.#askedBefore = this.#meter.asked;
    this.#outbound.pump();
    this.#endIfFlushed();
  }

  #endIfFlushed(): void {
    if (this.#onFlushed === undefined) return;
    this.#gather.flush();
    // A client that has closed its side grants nothing more: what stands still now does so for ever.
    const stuck = this.#inboundEnded && this.#socket.writableLength === 0;
    if (!this.#outbound.flushed && !stuck) return;
    const end = this.#onFlushed;
    this.#onFlushed = undefined;
    end();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#outbound.fromNode(chunk);
    if (!this.#socket.writableNeedDrain) callback();
    else this.#onDrained = callback;
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    this.#socket.cork(); // lanes do not find it idle meanwhile
    for (const { chunk } of chunks) this.#outbound.fromNode(chunk);
    this.#gather.flush();
    this.#socket.uncork();
    if (!this.#socket.writableNeedDrain) callback();
    else this.#onDrained = callback;
  }

  /** The time runs from here: `_final` comes only once the socket has taken all that node:http2 has written. */
  override end(...args: unknown[]): this {
    if (this.#closeTimer === undefined) {
      this.#isFault = performance.now() - this.#takenMs < FAULT_MS_MAX;
      this.#closeSoon();
    }
    return super.end(...(args as [])); // passed on as they are, whichever of its forms they have
  }

  /**
   * Either node:http2 has ended its session, which leaves calls without an end where keepalive has given the client up;
   * or the client has closed its side. In the first case the client is told.
   */
  override _final(callback: (error?: Error | null) => void): void {
    if (this.#isClientsFault) {
      this.destroy(new CodedError("RESOURCE_EXHAUSTED", "HTTP2_LIMIT", FAULT));
      return;
    }
    const finish = () => {
      this.#onDirectEnded = undefined;
      if (!this.#inboundEnded) this.#giveUp(Http2ErrorCode.NO_ERROR, GIVEN_UP);
      this.#onFlushed = () => this.#socket.end(() => callback());
      this.#outbound.pump();
      this.#endIfFlushed();
    };
    if (this.#inboundEnded || this.direct === undefined || this.direct.open === 0) finish();
    else this.#onDirectEnded = finish;
  }

  /** Whether node:http2 has ended its session for what the client has just sent, of which it gives no account. */
  get #isClientsFault(): boolean {
    if (this.#inboundEnded || this.#meter.leaving || this.#outbound.goawaySent) return false;
    return this.#isFault && this.#rewriter.established;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#handshakeTimer);
    clearTimeout(this.#holdTimer);
    this.#turns.drop();
    this.#onDrained = undefined;
    this.#onFlushed = undefined;
    this.#onDirectEnded = undefined;
    this.#gather.flush();
    if (error === null || this.#socket.destroyed) this.#socket.destroy();
    else {
      const code = goawayCodeOf(error);
      // What still comes is read and dropped, so that the system does not answer it by a reset before the GOAWAY is
      // read; but a flood is not read.
      if (code === Http2ErrorCode.ENHANCE_YOUR_CALM) this.#socket.pause();
      else this.#socket.resume();
      this.#giveUp(code, error instanceof CodedError ? error.message : GIVEN_UP);
      this.#gather.flush();
      this.#socket.end(() => this.#socket.destroy());
      if (this.#closeTimer === undefined) this.#closeSoon();
    }
    this.#outbound.destroy();
    this.direct?.destroy();
    callback(error);
  }

  /** Who has not spoken HTTP/2 is told nothing. */
  #giveUp(code: number, why: string): void {
    if (this.#rewriter.established) this.#outbound.giveUp(code, why);
  }

  /** Destroys the socket when its time is over, whatever it still holds. */
  #closeSoon(): void {
    const before = this.#writesTaken;
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => {
      const goesOn = this.#inboundEnded && this.#writesTaken > before && !this.destroyed;
      if (goesOn && !this.#socket.destroyed) this.#closeSoon();
      else this.#socket.destroy(); // its "close" event destroys this duplex too
    }, CLOSE_MS_MAX);
    this.#closeTimer.unref();
  }

  // What node:http2 and grpc-js ask of a socket besides being a stream.
  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }
  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }
  get remoteFamily(): string | undefined {
    return this.#socket.remoteFamily;
  }
  get localAddress(): string | undefined {
    return this.#socket.localAddress;
  }
  get localPort(): number | undefined {
    return this.#socket.localPort;
  }
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }
  get bytesWritten(): number {
    return this.#socket.bytesWritten;
  }
  get connecting(): boolean {
    return false;
  }
  setNoDelay(noDelay?: boolean): this {
    this.#socket.setNoDelay(noDelay);
    return this;
  }
  setKeepAlive(enable?: boolean, initialDelayMs?: number): this {
    this.#socket.setKeepAlive(enable, initialDelayMs);
    return this;
  }
  /** No effect: the time limits of a connection are gRPC's keepalive and the handshake limit. */
  setTimeout(): this {
    return this;
  }
  ref(): this {
    this.#socket.ref();
    return this;
  }
  unref(): this {
    this.#socket.unref();
    return this;
  }
}

function readPeerCertificate(socket: TLSSocket): DetailedPeerCertificate | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate(true);
  // Without a client certificate TLS sockets answer with an empty object.
  return certificate && Object.keys(certificate).length > 0 ? certificate : undefined;
}
