/**
 * One call's way to its client's socket past node:http2: gRPC messages cut into DATA frames. HOT PATH.
 *
 * Why: node:http2 on Bun takes a third of the CPU that a large message costs, and now and then forgets to send
 * (http2-wakeup-guard.ts). A lane has neither: OutboundFrames gives it its turn when the client's windows and the socket
 * have room. Everything else of the call (headers, trailers, resets, deadlines) stays with node:http2 and grpc-js.
 *
 * A message's bytes are copied once, into a chunk of frames that goes to the socket at once; until then they stay where
 * they are.
 */
import { FRAME_HEADER_BYTES, FrameType, putFrameHeader } from "./http2-frames.ts";

/** Payload of one turn: large enough that a write costs little, small enough to stay in the CPU's cache. */
export const LANE_CHUNK_BYTES_MAX = 256 << 10;
const FRAME_PAYLOAD_BYTES_MAX = 16384; // SETTINGS_MAX_FRAME_SIZE is never less (RFC 9113 section 4.2)
const CHUNK_BYTES =
  LANE_CHUNK_BYTES_MAX + Math.ceil(LANE_CHUNK_BYTES_MAX / FRAME_PAYLOAD_BYTES_MAX) * FRAME_HEADER_BYTES;

/** The way of one call's DATA frames to the socket, past node:http2. */
export class Lane {
  /** What is still to be sent, first part first. */
  #parts: Uint8Array[] = [];
  #offset = 0; // in the first part
  #left = 0;
  #closed = false;
  #settle: ((sent: boolean) => void) | undefined;
  #drained: Array<() => void> = [];

  constructor(
    /** HTTP/2 stream id. */
    readonly stream: number,
    private readonly ready: (lane: Lane) => void,
    /** Ends the stream by RST_STREAM with that code (RFC 9113 section 7), dropping what is not sent. */
    readonly reset: (code: number) => void,
  ) {}

  /** Memory for `take`. */
  static createChunk(): Buffer {
    return Buffer.allocUnsafeSlow(CHUNK_BYTES);
  }

  /** Bytes of messages that are still to be copied. */
  get bytesLeft(): number {
    return this.#left;
  }

  /** The stream is over: nothing more is sent. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Sends bytes. True: all of them are copied, and their memory is the caller's again. False: the stream is over, and
   * nothing will read them any more. One write at a time, unless `detach` has freed the caller from the one before.
   */
  write(parts: readonly Uint8Array[]): boolean | Promise<boolean> {
    if (this.#closed) return false;
    const wasIdle = this.#left === 0;
    for (const part of parts) {
      if (part.length === 0) continue;
      this.#parts.push(part);
      this.#left += part.length;
    }
    if (wasIdle) this.ready(this);
    if (this.#left === 0) return !this.#closed;
    return new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** What is not sent yet moves into memory of its own, and the write that waits for it resolves true. */
  detach(): void {
    this.#parts = this.#parts.map((part, index) => new Uint8Array(index === 0 ? part.subarray(this.#offset) : part));
    this.#offset = 0;
    this.#resolve(true);
  }

  /** Resolves when everything is sent, or the stream is over. */
  async drained(): Promise<void> {
    if (this.#left > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  /** Copies the next `bytes` into `chunk` as DATA frames; answers with their length, headers included. */
  take(bytes: number, chunk: Buffer): number {
    let at = 0;
    for (let left = bytes; left > 0; ) {
      const payload = Math.min(left, FRAME_PAYLOAD_BYTES_MAX);
      putFrameHeader(chunk, at, payload, FrameType.DATA, 0, this.stream);
      at = this.#copy(chunk, at + FRAME_HEADER_BYTES, payload);
      left -= payload;
    }
    this.#left -= bytes;
    return at;
  }

  /** What was taken is with the socket. */
  taken(): void {
    if (this.#left === 0) this.#resolve(true);
  }

  close(): void {
    this.#closed = true;
    this.#parts = [];
    this.#left = 0;
    this.#resolve(false);
  }

  #copy(target: Buffer, at: number, bytes: number): number {
    let left = bytes;
    while (left > 0) {
      const part = this.#parts[0]!;
      const count = Math.min(left, part.length - this.#offset);
      target.set(part.subarray(this.#offset, this.#offset + count), at);
      at += count;
      left -= count;
      this.#offset += count;
      if (this.#offset === part.length) {
        this.#parts.shift();
        this.#offset = 0;
      }
    }
    return at;
  }

  #resolve(sent: boolean): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(sent);
    if (this.#left > 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}
