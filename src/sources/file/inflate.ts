/**
 * Inflates lake and ledger files, never past a limit. Hot path: decode workers run every lake file through here.
 *
 * For zstd, `scanZstd` first finds the frames and the most they can hold, whatever the frame headers claim; then each
 * frame is decoded in one call of node:zlib's own decoder into one buffer that is kept between calls. The decoder
 * object is reached through a field that node:zlib does not document (`_handle`), because the documented calls allocate
 * their output anew each time and cost twice the CPU (a 1.3 MB ledger, MB of output a second on one core:
 * 3,000 without and 4,000 with a content size, against 1,350 and 1,700 by Bun.zstdDecompressSync, and 1,550 and 2,000
 * by zlib.zstdDecompressSync). It is told that its output stays where it is (zstd's `stableOutBuffer`), so that frames
 * without a content size, which is how lakes are written, need no window of 8 MB and no copy out of it; and it goes
 * from frame to frame without a reset, for a reset makes a new decoder each time. The two together are a tenth of the
 * CPU on a 1.8 MB ledger. Where the field is missing or looks different, zlib.zstdDecompressSync does the same.
 *
 * Needs zstd in node:zlib: Bun, or Node 22.15.
 */
import zlib from "node:zlib";
import { CodedError } from "../../error.ts";
import { isZstd, isZstdSkippable, scanZstd, type ZstdFrame, type ZstdScan } from "./zstd-frame.ts";

/** How a file is compressed: zstd (RFC 8878), gzip (RFC 1952), or not at all. */
export type Encoding = "none" | "zstd" | "gzip";

// Half as much again saves growing with each slightly larger ledger; of many megabytes that is too much.
const GROWTH = 1.5;
const GROWTH_LARGE = 1.125;
const GROW_BYTES_LARGE = 4 << 20;

/** Where inflated bytes go: memory that grows to the largest content so far and is used again. */
export class InflateBuffer {
  #bytes: Uint8Array = new Uint8Array(0);

  /** At least `length` bytes, of no defined content. */
  reserve(length: number, lengthMax: number): Uint8Array {
    if (this.#bytes.length < length) {
      this.#bytes = new Uint8Array(0); // not both at once
      const more = length < GROW_BYTES_LARGE ? length * GROWTH : length * GROWTH_LARGE;
      this.#bytes = new Uint8Array(Math.min(Math.ceil(more), lengthMax));
    }
    return this.#bytes;
  }
}

/** One decoder and one output buffer, kept between calls. Call `close` to free both at once. */
export class Inflater {
  readonly #bytesMax: number;
  #buffer = new InflateBuffer();
  #decoder: ZstdDecoder | undefined;

  /**
   * @param bytesMax the most that one call may inflate to
   * @param decoder `documented` keeps to node:zlib's documented calls (for tests; slower)
   */
  constructor(bytesMax: number, decoder: "fast" | "documented" = "fast") {
    this.#bytesMax = bytesMax;
    this.#decoder = decoder === "fast" ? openZstdDecoder() : undefined;
  }

  /**
   * The content of `bytes`. With encoding `zstd` the result is a view of `buffer` and is valid until that is used
   * again; with `none` it is `bytes` itself. `bytes` may lie in shared memory.
   * @param name of the file or object, for messages
   * @param buffer where the content goes, by default a buffer of this object's own: with several, several contents
   * stay valid while one decoder does for all
   * @param bytesMax the most that this call may inflate to, in place of the object's own limit
   * @throws CodedError DATA_LOSS (ZSTD_*, GZIP_*: cut off, corrupt, followed by something else) with the byte offset;
   * RESOURCE_EXHAUSTED / INFLATED_TOO_LARGE with both numbers
   */
  inflate(
    name: string,
    bytes: Uint8Array,
    encoding: Encoding,
    buffer: InflateBuffer = this.#buffer,
    bytesMax: number = this.#bytesMax,
  ): Uint8Array {
    if (encoding === "zstd") return this.#inflateZstd(name, bytes, buffer, bytesMax);
    if (encoding === "gzip") return inflateGzip(name, bytes, bytesMax);
    if (bytes.length > bytesMax) throw tooLarge(name, bytesMax, bytes.length);
    return bytes;
  }

  /** Frees the decoder and the buffer. */
  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
    this.#buffer = new InflateBuffer();
  }

  #inflateZstd(name: string, bytes: Uint8Array, buffer: InflateBuffer, bytesMax: number): Uint8Array {
    const scan = scanZstd(name, bytes);
    checkScan(name, scan, bytesMax);
    // A byte more than is needed, so that a full output means "too much", never "exactly enough".
    const need = Math.min(scan.contentBytesMax, bytesMax) + 1;
    const output = buffer.reserve(need, bytesMax + 1);
    let length = 0;
    for (const frame of scan.frames) length += this.#inflateFrame(name, bytes, frame, output, length, bytesMax);
    return output.subarray(0, length);
  }

  #inflateFrame(
    name: string,
    bytes: Uint8Array,
    frame: ZstdFrame,
    output: Uint8Array,
    offset: number,
    bytesMax: number,
  ): number {
    const capacity = Math.min(output.length - offset, bytesMax + 1 - offset);
    let written: number;
    try {
      written =
        this.#decoder === undefined
          ? decodeDocumented(bytes, frame, output, offset, capacity)
          : this.#decoder.decode(bytes, frame, output, offset, capacity);
      if (written === capacity) throw tooLarge(name, bytesMax, undefined);
    } catch (thrown) {
      // After an error the state of the old decoder is not worth finding out.
      if (this.#decoder !== undefined) {
        this.#decoder.close();
        this.#decoder = openZstdDecoder();
      }
      if (thrown instanceof CodedError) throw thrown;
      if (isTooLarge(thrown)) throw tooLarge(name, bytesMax, undefined);
      throw corruptFrame(name, frame, thrown instanceof Error ? thrown.message : String(thrown));
    }
    if (frame.contentSizeKnown && written !== frame.contentBytesMax) {
      throw corruptFrame(name, frame, `it holds ${written} B, and its header says ${frame.contentBytesMax} B`);
    }
    return written;
  }
}

/** Refuses, before anything is decoded, what says of itself that it is too large. */
function checkScan(name: string, { frames, contentBytesMax }: ZstdScan, bytesMax: number): void {
  if (contentBytesMax <= bytesMax) return;
  // Without content sizes the sum is an upper bound, and the content itself may still fit.
  let exact = 0;
  for (const frame of frames) if (frame.contentSizeKnown) exact += frame.contentBytesMax;
  if (exact > bytesMax) throw tooLarge(name, bytesMax, exact);
}

/** `bytes` by what they begin with: zstd's or gzip's magic number, else `none`. */
export function detectEncoding(bytes: Uint8Array): Encoding {
  if (isZstd(bytes) || isZstdSkippable(bytes)) return "zstd"; // pzstd writes a skippable frame first
  return bytes.length >= 3 && bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8 ? "gzip" : "none";
}

/**
 * One frame at a time, into a given place. Throws what zstd says; where there are more than `capacity` bytes it throws,
 * or writes as many. After either it must be closed.
 */
interface ZstdDecoder {
  decode(bytes: Uint8Array, frame: ZstdFrame, output: Uint8Array, offset: number, capacity: number): number;
  close(): void;
}

/** The part of node:zlib's native decoder that is used here. */
interface ZlibHandle {
  onerror: (message: string, errno: number, code: string) => void;
  /** @param parameters zstd's by their number, UNSET for its default; @param state what a write leaves: see below */
  init(parameters: Uint32Array, pledgedBytes: undefined, state: Uint32Array, written: () => void): unknown;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
  close(): void;
}

/** ZSTD_d_stableOutBuffer, one of zstd's parameters that its header calls experimental. */
const STABLE_OUT_BUFFER = 1001;
const UNSET = 0xffff_ffff;
const OUTPUT_TOO_SMALL = "ZSTD_error_dstSize_tooSmall";

function openZstdDecoder(): ZstdDecoder | undefined {
  const parameters = new Uint32Array(STABLE_OUT_BUFFER + 1).fill(UNSET);
  parameters[STABLE_OUT_BUFFER] = 1;
  /** What the last write left: bytes of output free, bytes of input unread. */
  const state = new Uint32Array(2);
  let error: (Error & { code?: string }) | undefined;
  let handle: ZlibHandle | undefined;
  try {
    handle = newHandle();
    handle?.init(parameters, undefined, state, () => {});
  } catch {
    return undefined;
  }
  if (handle === undefined) return undefined;
  handle.onerror = (message, _errno, code) => {
    // By the name that node:zlib's documented calls give it.
    error = Object.assign(new Error(message), { code: code === OUTPUT_TOO_SMALL ? OUTPUT_LIMIT : code });
  };
  return {
    decode(bytes, frame, output, offset, capacity) {
      error = undefined;
      const length = frame.end - frame.start;
      handle.writeSync(zlib.constants.ZSTD_e_end, bytes, frame.start, length, output, offset, capacity);
      if (error !== undefined) throw error;
      if (state[0] !== 0 && state[1] !== 0) throw new Error(`${state[1]} B of it are left over`);
      return capacity - state[0]!;
    },
    close: () => handle.close(),
  };
}

type ZlibHandleClass = new (mode: number) => ZlibHandle;
let handleClass: ZlibHandleClass | "unknown" | undefined;

function newHandle(): ZlibHandle | undefined {
  handleClass ??= findHandleClass();
  if (handleClass === "unknown") return undefined;
  const handle = new handleClass(zlib.constants.ZSTD_DECOMPRESS);
  return typeof handle.init === "function" && typeof handle.writeSync === "function" ? handle : undefined;
}

function findHandleClass(): ZlibHandleClass | "unknown" {
  // `_handle` is not in node:zlib's types, and a runtime may lack it.
  const stream = zlib.createZstdDecompress() as { _handle?: ZlibHandle; close(): void };
  const found = (stream._handle?.constructor ?? "unknown") as ZlibHandleClass | "unknown";
  stream.close();
  return found;
}

function decodeDocumented(
  bytes: Uint8Array,
  frame: ZstdFrame,
  output: Uint8Array,
  offset: number,
  capacity: number,
): number {
  const content = zlib.zstdDecompressSync(bytes.subarray(frame.start, frame.end), { maxOutputLength: capacity });
  output.set(content, offset);
  return content.length;
}

function inflateGzip(name: string, bytes: Uint8Array, bytesMax: number): Uint8Array {
  try {
    return zlib.gunzipSync(bytes, { maxOutputLength: bytesMax });
  } catch (thrown) {
    if (isTooLarge(thrown)) throw tooLarge(name, bytesMax, undefined);
    const { code, message } = thrown as { code?: string; message: string };
    if (code === "Z_BUF_ERROR") {
      throw new CodedError(
        "DATA_LOSS",
        "GZIP_TRUNCATED",
        `${name}: the gzip data ends at byte ${bytes.length}, too early`,
      );
    }
    throw new CodedError("DATA_LOSS", "GZIP_CORRUPT", `${name}: bad gzip data in its ${bytes.length} B: ${message}`);
  }
}

/** The code of node:zlib's error where an output would be longer than allowed. */
const OUTPUT_LIMIT = "ERR_BUFFER_TOO_LARGE";

function isTooLarge(thrown: unknown): boolean {
  return (thrown as { code?: unknown } | undefined)?.code === OUTPUT_LIMIT;
}

function tooLarge(name: string, bytesMax: number, bytes: number | undefined): CodedError {
  const size = bytes === undefined ? "to more than that" : `to ${bytes} B`;
  return new CodedError(
    "RESOURCE_EXHAUSTED",
    "INFLATED_TOO_LARGE",
    `${name}: over max ${bytesMax} B: it inflates ${size}. If it is sound, raise the limit`,
  );
}

function corruptFrame(name: string, frame: ZstdFrame, detail: string): CodedError {
  return new CodedError(
    "DATA_LOSS",
    "ZSTD_CORRUPT",
    `${name}: bad zstd data in the frame of bytes ${frame.start} to ${frame.end}: ${detail}`,
  );
}
