/** What http2-outbound.ts keeps and speaks to. */
import { CodedError } from "../error.ts";
import { FRAME_HEADER_BYTES, FrameFlag, FrameType, frameOf, Http2ErrorCode, STREAM_ID_MASK } from "./http2-frames.ts";
import type { Lane } from "./http2-lane.ts";

/** The socket, and node:http2's reading side. */
export interface OutboundPeers {
  /** Sends bytes; they are taken over, or copied, before it returns. */
  write(bytes: Uint8Array): void;
  /** True while the socket has taken everything that it was given. */
  readonly idle: boolean;
  /** Lets node:http2 send so many bytes more. Called in a turn of the event loop of its own. */
  grant(bytes: number): void;
  /** The client lets too much pile up: the connection must be closed. */
  fail(error: CodedError): void;
  /** The stream is over: the server has ended or reset it. */
  ended(stream: number): void;
  /** The server resets a stream, with an error code of RFC 9113 section 7. */
  reset(code: number): void;
  /** So many DATA frames go to the client. */
  sent(frames: number): void;
}

/** One open stream. */
export interface StreamState {
  /** What the client allows on this stream; below 0 after it has made its windows smaller. */
  window: number;
  /** Response headers are on their way, so DATA may follow. */
  answered: boolean;
  lane?: Lane;
}

/** A frame of node:http2 that has to wait, whole. */
export interface HeldFrame {
  type: number;
  flags: number;
  stream: number;
  bytes: Buffer;
}

/** What becomes of a frame of node:http2. */
export type Fate = "pass" | "hold" | "drop";

/** Whether a frame of this type and flags ends its stream on the side that sends it. */
export function endsStream(type: number, flags: number): boolean {
  if (type === FrameType.RST_STREAM) return true;
  return (type === FrameType.DATA || type === FrameType.HEADERS) && (flags & FrameFlag.END_STREAM) !== 0;
}

/** The error code that begins a RST_STREAM's payload at `at`; INTERNAL_ERROR where it comes in pieces. */
export function errorCodeIn(bytes: Uint8Array, at: number): number {
  if (at + 4 > bytes.length) return Http2ErrorCode.INTERNAL_ERROR;
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0);
}

/** A frame that stands between those of node:http2. */
export function insertedFrame(type: number, flags: number, stream: number, payload: Uint8Array): HeldFrame {
  return { type, flags, stream, bytes: frameOf(type, flags, stream, payload) };
}

/** A GOAWAY of node:http2, which does not know of direct calls: the last stream that may have been worked on is theirs too. */
export function withLastStream(goaway: Buffer, lastStream: number): Buffer {
  const told = goaway.readUInt32BE(FRAME_HEADER_BYTES) & STREAM_ID_MASK;
  goaway.writeUInt32BE(Math.max(told, lastStream), FRAME_HEADER_BYTES);
  return goaway;
}

/** Frames that are held of one connection. */
export const HELD_FRAMES_MAX = 8192; // some frames for each of the calls that a connection may have

/** The end of a connection for which so many frames wait. */
export function tooManyHeld(frames: number): CodedError {
  return new CodedError(
    "RESOURCE_EXHAUSTED",
    "HTTP2_LIMIT",
    `${frames} frames wait for a client that grants no window, over ${HELD_FRAMES_MAX}`,
  );
}
