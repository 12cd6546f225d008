/**
 * Frames from a server's bytes, split anywhere. HOT PATH: what DATA frames carry is not collected but passed on where it
 * lies, piece by piece; all other frames are collected whole.
 *
 * | state | what comes | goes on with |
 * |---|---|---|
 * | header | 9 bytes, in pieces or not | pad length where a DATA frame is padded, else payload |
 * | pad length | 1 byte | payload, then padding |
 * | payload, padding | as many bytes as the header says | header |
 */

import {
  FRAME_BYTES_MAX_DEFAULT,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  Http2ErrorCode,
  STREAM_ID_MASK,
} from "../http2-frames.ts";
import { Http2Fault } from "./fault.ts";

const NOTHING = Buffer.alloc(0);

/** Who reads the frames. Each method may throw Http2Fault; nothing may be fed after that. */
export interface FrameSink {
  /** A frame begins, with so many bytes of payload, padding included. */
  begin(type: number, flags: number, stream: number, payloadBytes: number): void;
  /** A piece of what the DATA frame at hand carries: `chunk` from `from` to before `to`. Valid during the call. */
  data(chunk: Buffer, from: number, to: number): void;
  /** The frame is complete. `payload` is valid during the call; empty for DATA. */
  frame(type: number, flags: number, stream: number, payload: Buffer): void;
}

/** For one connection. */
export class FrameScanner {
  readonly #sink: FrameSink;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerFill = 0;
  #type = 0;
  #flags = 0;
  #stream = 0;
  /** Bytes to come of the payload, without padding; -1 between frames. */
  #left = -1;
  #padding = 0;
  /** The next byte is a DATA frame's pad length. */
  #padLengthDue = false;
  #collected: Buffer = NOTHING;
  #collectedFill = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** @throws Http2Fault */
  feed(chunk: Buffer): void {
    const end = chunk.length;
    let at = 0;
    while (at < end) {
      if (this.#left < 0) {
        at = this.#readHeader(chunk, at);
        if (this.#headerFill > 0) return;
      }
      if (this.#padLengthDue && at < end) this.#takePadLength(chunk[at++]!);
      const count = Math.min(this.#left, end - at);
      if (count > 0) {
        if (this.#type === FrameType.DATA) this.#sink.data(chunk, at, at + count);
        else this.#collect(chunk, at, at + count);
        at += count;
        this.#left -= count;
      }
      if (this.#left > 0 || this.#padLengthDue) return;
      const skipped = Math.min(this.#padding, end - at);
      at += skipped;
      this.#padding -= skipped;
      if (this.#padding > 0) return;
      this.#left = -1;
      const payload = this.#collected;
      this.#collected = NOTHING;
      this.#sink.frame(this.#type, this.#flags, this.#stream, payload);
    }
  }

  /** Returns where it has read to; `#headerFill` is not 0 where the header is not complete yet. */
  #readHeader(chunk: Buffer, from: number): number {
    let header = chunk;
    let at = from;
    let next = from + FRAME_HEADER_BYTES;
    if (this.#headerFill > 0 || chunk.length < next) {
      const count = Math.min(FRAME_HEADER_BYTES - this.#headerFill, chunk.length - from);
      chunk.copy(this.#header, this.#headerFill, from, from + count);
      this.#headerFill += count;
      next = from + count;
      if (this.#headerFill < FRAME_HEADER_BYTES) return next;
      header = this.#header;
      at = 0;
    }
    this.#headerFill = 0;
    const payloadBytes = (header[at]! << 16) | (header[at + 1]! << 8) | header[at + 2]!;
    this.#type = header[at + 3]!;
    this.#flags = header[at + 4]!;
    this.#stream = header.readUInt32BE(at + 5) & STREAM_ID_MASK;
    this.#sink.begin(this.#type, this.#flags, this.#stream, payloadBytes);
    if (payloadBytes > FRAME_BYTES_MAX_DEFAULT) {
      const sentence = `a frame of type ${this.#type} has ${payloadBytes} B, over max ${FRAME_BYTES_MAX_DEFAULT} B`;
      throw new Http2Fault(Http2ErrorCode.FRAME_SIZE_ERROR, sentence);
    }
    this.#left = payloadBytes;
    this.#padLengthDue = this.#type === FrameType.DATA && (this.#flags & FrameFlag.PADDED) !== 0;
    return next;
  }

  #takePadLength(padding: number): void {
    this.#padLengthDue = false;
    this.#left -= 1 + padding;
    this.#padding = padding;
    if (this.#left < 0) throw new Http2Fault(Http2ErrorCode.PROTOCOL_ERROR, "a DATA frame has more padding than bytes");
  }

  #collect(chunk: Buffer, from: number, to: number): void {
    if (this.#collected === NOTHING) {
      if (to - from === this.#left) {
        this.#collected = chunk.subarray(from, to);
        return;
      }
      this.#collected = Buffer.allocUnsafe(this.#left);
      this.#collectedFill = 0;
    }
    chunk.copy(this.#collected, this.#collectedFill, from, to);
    this.#collectedFill += to - from;
  }
}
