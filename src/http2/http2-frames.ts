/** The parts of RFC 9113's framing that the transport work-arounds and the client of our own look at. */

/** Length of the frame header: length (3), type (1), flags (1), stream id (4). Section 4.1. */
export const FRAME_HEADER_BYTES = 9;

/** What a client sends first. Section 3.4. */
export const CLIENT_PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
export const CLIENT_PREFACE_BYTES = CLIENT_PREFACE.length;

/** Frame types, section 6. */
export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** Error codes of RST_STREAM and GOAWAY, section 7. */
export const Http2ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
} as const;

/** Frame flags; ACK and END_STREAM share a bit on different types. */
export const FrameFlag = { ACK: 0x1, END_STREAM: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;

export const SETTINGS_ENTRY_BYTES = 6; // identifier (2), value (4): section 6.5.1
export const SETTINGS_ENABLE_PUSH = 2; // section 6.5.2, like those below
export const SETTINGS_INITIAL_WINDOW_SIZE = 4;
export const SETTINGS_MAX_HEADER_LIST_SIZE = 6;
export const FRAME_BYTES_MAX_DEFAULT = 16384; // SETTINGS_MAX_FRAME_SIZE where nothing else is announced
export const INITIAL_WINDOW_BYTES_DEFAULT = 65535; // section 6.9.2
export const WINDOW_BYTES_MAX = 0x7fffffff; // section 6.9.1
export const STREAM_ID_MASK = 0x7fffffff; // the top bit is reserved
export const PRIORITY_BYTES = 5; // of a PRIORITY frame, and before a header block: sections 6.3 and 6.2
export const WINDOW_UPDATE_PAYLOAD_BYTES = 4; // section 6.9
export const RST_STREAM_PAYLOAD_BYTES = 4; // section 6.4
const GOAWAY_FIXED_BYTES = 8; // last stream (4), error code (4): section 6.8

/** Writes a frame header into `target` at `offset`. */
export function putFrameHeader(
  target: Buffer,
  offset: number,
  payloadBytes: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  target.writeUIntBE(payloadBytes, offset, 3);
  target[offset + 3] = type;
  target[offset + 4] = flags;
  target.writeUInt32BE(streamId, offset + 5);
}

/** What the frame header at `at` says. Section 4.1. */
export function frameHeader(
  bytes: Uint8Array,
  at = 0,
): { length: number; type: number; flags: number; stream: number } {
  const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
  const stream = (bytes[at + 5]! << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!;
  return { length, type: bytes[at + 3]!, flags: bytes[at + 4]!, stream: stream & STREAM_ID_MASK };
}

/**
 * A payload without the padding and the priority that its flags tell of: sections 6.1 and 6.2. Undefined where it is too
 * short for them.
 */
export function contentOf(flags: number, payload: Buffer): Buffer | undefined {
  const isPadded = (flags & FrameFlag.PADDED) !== 0;
  const from = (isPadded ? 1 : 0) + ((flags & FrameFlag.PRIORITY) !== 0 ? PRIORITY_BYTES : 0);
  const to = payload.length - (isPadded ? (payload[0] ?? 0) : 0);
  return to < from ? undefined : payload.subarray(from, to);
}

/** A frame with the payload given. */
export function frameOf(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  putFrameHeader(frame, 0, payload.length, type, flags, streamId);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** A SETTINGS frame of pairs of (identifier, value). */
export function settingsFrame(pairs: readonly number[]): Buffer {
  const payload = Buffer.allocUnsafe((pairs.length / 2) * SETTINGS_ENTRY_BYTES);
  for (let i = 0; i < pairs.length; i += 2) {
    const at = (i / 2) * SETTINGS_ENTRY_BYTES;
    payload.writeUInt16BE(pairs[i] as number, at);
    payload.writeUInt32BE(pairs[i + 1] as number, at + 2);
  }
  return frameOf(FrameType.SETTINGS, 0, 0, payload);
}

/** A RST_STREAM frame with an error code of section 7. */
export function rstStream(stream: number, code: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + RST_STREAM_PAYLOAD_BYTES);
  putFrameHeader(frame, 0, RST_STREAM_PAYLOAD_BYTES, FrameType.RST_STREAM, 0, stream);
  frame.writeUInt32BE(code, FRAME_HEADER_BYTES);
  return frame;
}

/**
 * A GOAWAY frame: `lastStream` is the highest stream that the server may have worked on, `code` an error code of
 * section 7, `why` a sentence for people, a few hundred bytes at most.
 */
export function goaway(lastStream: number, code: number, why: string): Buffer {
  const text = Buffer.from(why);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + GOAWAY_FIXED_BYTES + text.length);
  putFrameHeader(frame, 0, GOAWAY_FIXED_BYTES + text.length, FrameType.GOAWAY, 0, 0);
  frame.writeUInt32BE(lastStream, FRAME_HEADER_BYTES);
  frame.writeUInt32BE(code, FRAME_HEADER_BYTES + 4);
  frame.set(text, FRAME_HEADER_BYTES + GOAWAY_FIXED_BYTES);
  return frame;
}

/** Bytes of one WINDOW_UPDATE frame. */
const WINDOW_UPDATE_BYTES = FRAME_HEADER_BYTES + WINDOW_UPDATE_PAYLOAD_BYTES;

/** WINDOW_UPDATE frames for pairs of (stream id, increment in bytes, 1 to WINDOW_BYTES_MAX), in one buffer. */
export function windowUpdates(pairs: readonly number[]): Buffer {
  const frames = Buffer.allocUnsafe((pairs.length / 2) * WINDOW_UPDATE_BYTES);
  let offset = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    putFrameHeader(frames, offset, WINDOW_UPDATE_PAYLOAD_BYTES, FrameType.WINDOW_UPDATE, 0, pairs[i] as number);
    frames.writeUInt32BE(pairs[i + 1] as number, offset + FRAME_HEADER_BYTES);
    offset += WINDOW_UPDATE_BYTES;
  }
  return frames;
}
