/**
 * The outside of zstd data (RFC 8878): frame and block headers, read by hopping from one to the next without decoding.
 * It tells three things that a decoder alone does not: whether the data is whole (a file may still be growing, and
 * Bun's node:zlib takes cut-off data for complete), the most that it can inflate to (so that no frame header is
 * trusted with an allocation), and the byte offset of what is wrong. Hot path: a few dozen steps for a lake file.
 */
import { CodedError } from "../../error.ts";

/** One frame of the data. */
export interface ZstdFrame {
  /** Byte offsets in the data, the end exclusive. */
  start: number;
  end: number;
  /** The most that the frame can inflate to: exact where the header tells the content size, else from its blocks. */
  contentBytesMax: number;
  /** True where the header tells the content size. */
  contentSizeKnown: boolean;
}

/** What the headers of one piece of data say; sizes are bytes. */
export interface ZstdScan {
  /** The frames that hold content, in order; skippable ones are left out. */
  frames: ZstdFrame[];
  /** Sum of contentBytesMax. */
  contentBytesMax: number;
}

/** Decoders keep a window of this size in memory: SEP-54 writers use 8 MiB, `zstd --long` 128 MiB. */
const ZSTD_WINDOW_BYTES_MAX = 32 << 20;

/** Frames in one piece of data: a lake file has one, parallel compressors write one a few MiB. */
export const ZSTD_FRAMES_MAX = 1 << 16;

/** Regenerated size of one block at most (RFC 8878, 3.1.1.2.4). */
const BLOCK_BYTES_MAX = 128 << 10;

/** The first word of a frame. */
export const ZSTD_MAGIC = 0xfd2fb528;
const MAGIC_SKIPPABLE = 0x184d2a50; // and the 15 values after it

/** Whether a frame that begins with this word is to be skipped. */
export function isSkippableMagic(word: number): boolean {
  return (word & 0xffff_fff0) >>> 0 === MAGIC_SKIPPABLE;
}

/** What a frame header descriptor says of the frame (RFC 8878, 3.1.1.1.1); sizes are those of the fields that follow it. */
export function frameFields(descriptor: number): {
  singleSegment: boolean;
  checksum: boolean;
  dictionaryIdBytes: number;
  contentSizeBytes: number;
  /** All fields of the header behind the descriptor. */
  headerBytes: number;
} {
  const contentSizeFlag = descriptor >> 6;
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3]!;
  const contentSizeBytes = contentSizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << contentSizeFlag;
  return {
    singleSegment,
    checksum: (descriptor & 0x04) !== 0,
    dictionaryIdBytes,
    contentSizeBytes,
    headerBytes: (singleSegment ? 0 : 1) + dictionaryIdBytes + contentSizeBytes,
  };
}

/** True where `bytes` begin as a zstd frame does. */
export function isZstd(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && u32(bytes, 0) === ZSTD_MAGIC;
}

/** True where `bytes` begin as a skippable frame does. */
export function isZstdSkippable(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && isSkippableMagic(u32(bytes, 0));
}

/**
 * Walks the frames of `bytes`. Several frames one after the other are one content (RFC 8878, 3.1) and are accepted, as
 * are skippable frames; a frame that needs a dictionary is not. `name` is for messages.
 * @throws CodedError DATA_LOSS: ZSTD_TRUNCATED where the data ends too early, ZSTD_TRAILING_BYTES where something else
 * follows a frame, ZSTD_CORRUPT for a header that cannot be; RESOURCE_EXHAUSTED / ZSTD_WINDOW, ZSTD_FRAMES
 */
export function scanZstd(name: string, bytes: Uint8Array): ZstdScan {
  const frames: ZstdFrame[] = [];
  let contentBytesMax = 0;
  let at = 0;
  do {
    if (at + 4 > bytes.length) {
      throw at === 0 || startsMagic(bytes, at)
        ? truncated(name, bytes.length, at, "a frame's magic number")
        : trailing(name, bytes.length, at);
    }
    const magic = u32(bytes, at);
    if (isSkippableMagic(magic)) {
      if (at + 8 > bytes.length) throw truncated(name, bytes.length, at, "a skippable frame's header");
      const end = at + 8 + u32(bytes, at + 4);
      if (end > bytes.length) throw truncated(name, bytes.length, at, "a skippable frame");
      at = end;
      continue;
    }
    if (magic !== ZSTD_MAGIC) {
      if (at > 0) throw trailing(name, bytes.length, at);
      throw corrupt(name, at, `it begins with ${magic.toString(16).padStart(8, "0")}, not with zstd's fd2fb528`);
    }
    if (frames.length === ZSTD_FRAMES_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "ZSTD_FRAMES",
        `${name}: more than ${ZSTD_FRAMES_MAX} zstd frames at byte ${at}: compress it again as one frame`,
      );
    }
    const frame = scanFrame(name, bytes, at);
    frames.push(frame);
    contentBytesMax += frame.contentBytesMax;
    at = frame.end;
  } while (at < bytes.length);
  return { frames, contentBytesMax };
}

function scanFrame(name: string, bytes: Uint8Array, start: number): ZstdFrame {
  if (start + 5 > bytes.length) throw truncated(name, bytes.length, start, "a frame header");
  const descriptor = bytes[start + 4]!;
  const { singleSegment, checksum, dictionaryIdBytes, contentSizeBytes, headerBytes } = frameFields(descriptor);
  if ((descriptor & 0x08) !== 0) throw corrupt(name, start + 4, "a reserved bit of the frame header is set");
  let at = start + 5;
  const headerEnd = at + headerBytes;
  if (headerEnd > bytes.length) throw truncated(name, bytes.length, start, "a frame header");

  let windowBytes = 0;
  if (!singleSegment) {
    const exponent = bytes[at]! >> 3;
    const base = 2 ** (10 + exponent);
    windowBytes = base + (base / 8) * (bytes[at]! & 7);
    at++;
  }
  for (let i = 0; i < dictionaryIdBytes; i++) {
    if (bytes[at + i] !== 0) throw corrupt(name, at, "the frame needs a dictionary, and lakes have none");
  }
  at += dictionaryIdBytes;
  let contentSize: number | undefined;
  if (contentSizeBytes === 1) contentSize = bytes[at]!;
  else if (contentSizeBytes === 2) contentSize = bytes[at]! + bytes[at + 1]! * 256 + 256;
  else if (contentSizeBytes === 4) contentSize = u32(bytes, at);
  else if (contentSizeBytes === 8) contentSize = u32(bytes, at) + u32(bytes, at + 4) * 2 ** 32;
  if (singleSegment) windowBytes = contentSize!;
  // A frame of one segment is decoded straight into the output, which has its own limit: no window is kept.
  if (!singleSegment && windowBytes > ZSTD_WINDOW_BYTES_MAX) {
    throw new CodedError(
      "RESOURCE_EXHAUSTED",
      "ZSTD_WINDOW",
      `${name}: the zstd frame at byte ${start} needs a window of ${windowBytes} B, over max ${ZSTD_WINDOW_BYTES_MAX} B: compress it again without --long or --ultra`,
    );
  }

  const blockBytesMax = Math.min(BLOCK_BYTES_MAX, windowBytes);
  let blocksBytesMax = 0;
  at = headerEnd;
  for (let last = false; !last; ) {
    if (at + 3 > bytes.length) throw truncated(name, bytes.length, at, "a block header");
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    last = (header & 1) !== 0;
    const type = (header >> 1) & 3;
    const size = header >> 3;
    // Type 0 is stored, 1 one byte repeated, 2 compressed: only a compressed block's regenerated size is unknown.
    if (type === 3) throw corrupt(name, at, "a block has the reserved type 3");
    if (size > blockBytesMax) {
      throw corrupt(name, at, `a block of ${size} B, over the ${blockBytesMax} B that the frame allows`);
    }
    blocksBytesMax += type === 2 ? blockBytesMax : size;
    at += 3 + (type === 1 ? 1 : size);
    if (at > bytes.length) throw truncated(name, bytes.length, at, "a block");
  }
  if (checksum) {
    at += 4;
    if (at > bytes.length) throw truncated(name, bytes.length, at, "the checksum");
  }
  if (contentSize !== undefined && contentSize > blocksBytesMax) {
    throw corrupt(
      name,
      start,
      `the frame claims ${contentSize} B of content, and its blocks hold ${blocksBytesMax} B at most`,
    );
  }
  return {
    start,
    end: at,
    contentBytesMax: contentSize ?? blocksBytesMax,
    contentSizeKnown: contentSize !== undefined,
  };
}

/** What is left at the end may be the first bytes of another frame. */
function startsMagic(bytes: Uint8Array, at: number): boolean {
  const begin = [0x28, 0xb5, 0x2f];
  for (let i = at; i < bytes.length; i++) if (bytes[i] !== begin[i - at]) return false;
  return true;
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function truncated(name: string, length: number, at: number, what: string): CodedError {
  return new CodedError(
    "DATA_LOSS",
    "ZSTD_TRUNCATED",
    `${name}: the zstd data ends at byte ${length}, inside ${what} at byte ${Math.min(at, length)}: it is cut off, or still being written`,
  );
}

function trailing(name: string, length: number, at: number): CodedError {
  return new CodedError(
    "DATA_LOSS",
    "ZSTD_TRAILING_BYTES",
    `${name}: ${length - at} B that are not zstd follow the frame that ends at byte ${at}`,
  );
}

function corrupt(name: string, at: number, detail: string): CodedError {
  return new CodedError("DATA_LOSS", "ZSTD_CORRUPT", `${name}: bad zstd data at byte ${at}: ${detail}`);
}
