/**
 * Rewrites what a client sends so that node:http2 never sees a changing SETTINGS_INITIAL_WINDOW_SIZE.
 *
 * Why: RFC 9113 section 6.9.2 says that a change of that setting is ADDED to the window of every open stream. Bun
 * 1.4.5 sets each window to max(window, new value) instead, which loses the credit of earlier WINDOW_UPDATEs.
 * gRPC clients raise the setting while a stream runs, and the stream then stands still for good
 * (test/http2/bun-defects.test.ts shows whether the Bun at hand still does this).
 *
 * How: node:http2 is told once that the initial window is 0, and all credit is spoken in WINDOW_UPDATE frames:
 *
 *     client sends                          node:http2 reads
 *     first SETTINGS (window W)             SETTINGS (window 0)
 *     HEADERS that opens stream S           HEADERS, WINDOW_UPDATE(S, W)
 *     SETTINGS (window W + d)               SETTINGS without it, WINDOW_UPDATE(S, d) for every open stream
 *     SETTINGS (window W − d)               SETTINGS without it, held back while a stream owes; every open stream owes d
 *     WINDOW_UPDATE(S, n), S owes o         nothing if n ≤ o, else WINDOW_UPDATE(S, n − o); nothing if S has a lane
 *     WINDOW_UPDATE(0, n)                   nothing: http2-outbound.ts tells it of the connection's window
 *     everything else                       the same bytes, not copied
 *
 * A window cannot be taken back by a WINDOW_UPDATE, so a decrease becomes a debt of the stream which later credit
 * pays first. Until it is paid, node:http2 may send what the client had granted before. This is allowed as long as
 * the SETTINGS is not acknowledged (section 6.5.3), so that frame is held back until no stream owes, or until
 * the owner calls `releaseSettings` because the client should not wait for its acknowledgement any longer.
 *
 * A stream is open from the end of the header block that opens it until RST_STREAM from either side or END_STREAM from
 * the server, after which no credit matters; the owner tells of ends that the server makes (`ended`).
 */

import { CodedError } from "../error.ts";
import type { FloodMeter } from "./flood-meter.ts";
import {
  CLIENT_PREFACE_BYTES,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  INITIAL_WINDOW_BYTES_DEFAULT,
  putFrameHeader,
  SETTINGS_ENTRY_BYTES,
  SETTINGS_INITIAL_WINDOW_SIZE,
  STREAM_ID_MASK,
  WINDOW_BYTES_MAX,
  windowUpdates,
} from "./http2-frames.ts";
import type { WindowListener } from "./window-listener.ts";

/** SETTINGS are the only frames that are collected whole; peers send a handful of entries, 6 bytes each. */
export const SETTINGS_FRAME_BYTES_MAX = 16384; // SETTINGS_MAX_FRAME_SIZE that this server announces (the default)

/** Open streams that are remembered for one connection. */
export const OPEN_STREAMS_MAX = 10_000; // far over any max_concurrent_streams in use, small enough to hold

/** SETTINGS frames held back at a time. */
export const HELD_SETTINGS_MAX = 8; // clients wait for the acknowledgement before they change the window again

function refuse(reason: "HTTP2_PROTOCOL" | "HTTP2_LIMIT", message: string): CodedError {
  return new CodedError(reason === "HTTP2_LIMIT" ? "RESOURCE_EXHAUSTED" : "INVALID_ARGUMENT", reason, message);
}

/** Reads a client's frames before node:http2 does, and keeps its windows right. */
export class WindowRewriter {
  readonly #emit: (bytes: Buffer) => void;
  readonly #listener: WindowListener;
  readonly #meter: FloodMeter;

  // What is known of the client's windows.
  #initialWindow = INITIAL_WINDOW_BYTES_DEFAULT;
  #settingsSeen = false;
  readonly #debts = new Map<number, number>(); // open stream -> bytes it owes, 0 or more
  #debtors = 0; // streams that owe more than 0
  #lastStream = 0;
  readonly #held: Buffer[] = [];
  #releaseForced = false;

  // Position in the bytes that come in.
  #prefaceLeft = CLIENT_PREFACE_BYTES;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES); // a header that came in pieces
  #headerFill = 0;
  #payloadLeft = 0; // of a frame that passes through
  #captured: Buffer | undefined; // a frame that is collected whole, header included
  #capturedFill = 0;
  #blockStream = 0; // stream that an unfinished header block opens
  #opensAtFrameEnd = 0; // stream that is open when the frame at hand has passed
  #inBlock = false; // between HEADERS and the CONTINUATION that ends them no other frame may stand
  #granted = 0; // bytes of the connection's window that node:http2 is to be told of
  #feeding = false;

  /** `emit` receives the bytes for node:http2, in order; they are views on what was fed, or small new buffers. */
  constructor(emit: (bytes: Buffer) => void, listener: WindowListener, meter: FloodMeter) {
    this.#emit = emit;
    this.#listener = listener;
    this.#meter = meter;
  }

  /** True once the client's first SETTINGS frame has come: the connection speaks HTTP/2. */
  get established(): boolean {
    return this.#settingsSeen;
  }

  /** Streams that can still be given credit. */
  get openStreams(): number {
    return this.#debts.size;
  }

  /** True while a SETTINGS frame waits until no stream owes. */
  get holdsSettings(): boolean {
    return this.#held.length > 0;
  }

  /**
   * Lets node:http2 send so many bytes more on the connection. It is told at the next boundary between frames: what it
   * has been given to read may end inside one.
   */
  grant(bytes: number): void {
    this.#granted += bytes;
    this.#flushHeld();
  }

  /** Lets held SETTINGS frames go although streams owe, at the next boundary between frames. */
  releaseSettings(): void {
    this.#releaseForced = true;
    this.#flushHeld();
  }

  /**
   * Takes bytes from the client, split anywhere. Throws INVALID_ARGUMENT / HTTP2_PROTOCOL, RESOURCE_EXHAUSTED / HTTP2_LIMIT
   * or HTTP2_FLOOD when the connection must be closed; feed nothing after that.
   */
  inbound(chunk: Buffer): void {
    this.#feeding = true;
    this.#scan(chunk);
    this.#feeding = false;
    this.#flushHeld();
  }

  #scan(chunk: Buffer): void {
    const end = chunk.length;
    let at = 0; // read up to here
    let from = 0; // emitted, captured or dropped up to here
    if (this.#prefaceLeft > 0) {
      at = Math.min(this.#prefaceLeft, end);
      this.#prefaceLeft -= at;
    }
    while (at < end) {
      if (this.#captured !== undefined) {
        const count = Math.min(this.#captured.length - this.#capturedFill, end - at);
        chunk.copy(this.#captured, this.#capturedFill, at, at + count);
        this.#capturedFill += count;
        at += count;
        from = at;
        this.#rewriteIfComplete();
        continue;
      }
      if (this.#payloadLeft > 0) {
        const count = Math.min(this.#payloadLeft, end - at);
        at += count;
        this.#payloadLeft -= count;
      } else {
        if (this.#due && this.#headerFill === 0 && !this.#inBlock) {
          if (from < at) this.#emit(chunk.subarray(from, at));
          from = at;
          this.#emitDue();
        }
        // The next frame begins; its header may have come in pieces.
        let header = chunk;
        let headerAt = at;
        if (this.#headerFill > 0 || end - at < FRAME_HEADER_BYTES) {
          if (from < at) this.#emit(chunk.subarray(from, at));
          const count = Math.min(FRAME_HEADER_BYTES - this.#headerFill, end - at);
          chunk.copy(this.#header, this.#headerFill, at, at + count);
          this.#headerFill += count;
          at += count;
          from = at;
          if (this.#headerFill < FRAME_HEADER_BYTES) return;
          this.#headerFill = 0;
          header = this.#header;
          headerAt = 0;
        } else {
          at += FRAME_HEADER_BYTES;
        }
        const length = header.readUIntBE(headerAt, 3);
        if (this.#startFrame(header, headerAt, length)) {
          if (header === chunk && from < headerAt) this.#emit(chunk.subarray(from, headerAt));
          this.#captured = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
          header.copy(this.#captured, 0, headerAt, headerAt + FRAME_HEADER_BYTES);
          this.#capturedFill = FRAME_HEADER_BYTES;
          from = at;
          this.#rewriteIfComplete();
          continue;
        }
        if (header !== chunk) this.#emit(Buffer.from(header));
        this.#payloadLeft = length;
      }
      if (this.#payloadLeft === 0 && this.#opensAtFrameEnd !== 0) {
        const stream = this.#opensAtFrameEnd;
        this.#opensAtFrameEnd = 0;
        // Remembered before its last bytes go on: node:http2 may answer, and end the stream, inside emit.
        this.#remember(stream);
        if (from < at) this.#emit(chunk.subarray(from, at));
        from = at;
        if (this.#initialWindow > 0 && this.#debts.has(stream)) {
          this.#emit(windowUpdates([stream, this.#initialWindow]));
        }
      }
    }
    if (from < at) this.#emit(from === 0 && at === end ? chunk : chunk.subarray(from, at));
  }

  /** Takes note of the frame; true when it must be collected whole. */
  #startFrame(header: Buffer, at: number, length: number): boolean {
    const type = header[at + 3] as number;
    if (this.#settingsSeen && type === FrameType.DATA && length > 0) return false;
    const flags = header[at + 4] as number;
    const stream = header.readUInt32BE(at + 5) & STREAM_ID_MASK;
    if (!this.#settingsSeen && (type !== FrameType.SETTINGS || (flags & FrameFlag.ACK) !== 0)) {
      throw refuse("HTTP2_PROTOCOL", `the first HTTP/2 frame has type ${type}, not SETTINGS: is this a gRPC client?`);
    }
    this.#meter.received(type, flags, length, stream > this.#lastStream);
    switch (type) {
      case FrameType.HEADERS:
        this.#inBlock = (flags & FrameFlag.END_HEADERS) === 0;
        // A header block on an older stream is a trailer: it opens nothing.
        if (stream <= this.#lastStream) return false;
        this.#lastStream = stream;
        if ((flags & FrameFlag.END_HEADERS) !== 0) this.#opensAtFrameEnd = stream;
        else this.#blockStream = stream;
        return false;
      case FrameType.CONTINUATION:
        this.#inBlock = (flags & FrameFlag.END_HEADERS) === 0;
        if (stream === this.#blockStream && (flags & FrameFlag.END_HEADERS) !== 0) {
          this.#opensAtFrameEnd = stream;
          this.#blockStream = 0;
        }
        return false;
      case FrameType.RST_STREAM:
        this.#listener.forget(stream);
        this.ended(stream);
        return false;
      case FrameType.WINDOW_UPDATE:
        // One of another length than 4 is an error, which node:http2 answers.
        return length === 4;
      case FrameType.SETTINGS:
        if ((flags & FrameFlag.ACK) !== 0) return false;
        if (length > SETTINGS_FRAME_BYTES_MAX) {
          throw refuse("HTTP2_LIMIT", `a SETTINGS frame of ${length} B is over ${SETTINGS_FRAME_BYTES_MAX} B`);
        }
        if (length % SETTINGS_ENTRY_BYTES !== 0) {
          throw refuse("HTTP2_PROTOCOL", `a SETTINGS frame of ${length} B is no multiple of ${SETTINGS_ENTRY_BYTES} B`);
        }
        return true;
      default:
        return false;
    }
  }

  #rewriteIfComplete(): void {
    const frame = this.#captured;
    if (frame === undefined || this.#capturedFill < frame.length) return;
    this.#captured = undefined;
    if (frame[3] === FrameType.SETTINGS) this.#rewriteSettings(frame);
    else this.#rewriteWindowUpdate(frame);
  }

  #rewriteWindowUpdate(frame: Buffer): void {
    const stream = frame.readUInt32BE(5) & STREAM_ID_MASK;
    const increment = frame.readUInt32BE(FRAME_HEADER_BYTES) & WINDOW_BYTES_MAX;
    const debt = this.#debts.get(stream);
    if (increment === 0 || (debt === undefined && stream !== 0)) {
      this.#emit(frame); // an error, which node:http2 answers, or a stream that has ended since
      return;
    }
    if (!this.#listener.credited(stream, increment)) {
      throw refuse("HTTP2_PROTOCOL", `the window of stream ${stream} (0: the connection) is over ${WINDOW_BYTES_MAX}`);
    }
    if (debt === undefined) return;
    const rest = this.#pay(stream, debt, increment);
    if (rest > 0 && !this.#listener.hasLane(stream))
      this.#emit(rest === increment ? frame : windowUpdates([stream, rest]));
    if (this.#debtors === 0) this.#flushHeld();
  }

  /** Pays the stream's debt from `credit`; returns what is left of the credit. */
  #pay(stream: number, debt: number, credit: number): number {
    if (debt === 0) return credit;
    const paid = Math.min(debt, credit);
    this.#debts.set(stream, debt - paid);
    if (paid === debt) this.#debtors--;
    return credit - paid;
  }

  #rewriteSettings(frame: Buffer): void {
    const first = !this.#settingsSeen;
    let window: number | undefined;
    let kept = FRAME_HEADER_BYTES;
    const rewritten = Buffer.allocUnsafe(frame.length + SETTINGS_ENTRY_BYTES);
    for (let at = FRAME_HEADER_BYTES; at < frame.length; at += SETTINGS_ENTRY_BYTES) {
      if (frame.readUInt16BE(at) === SETTINGS_INITIAL_WINDOW_SIZE) {
        window = frame.readUInt32BE(at + 2);
        if (window > WINDOW_BYTES_MAX) {
          throw refuse("HTTP2_PROTOCOL", `SETTINGS_INITIAL_WINDOW_SIZE ${window} is over ${WINDOW_BYTES_MAX}`);
        }
      } else {
        frame.copy(rewritten, kept, at, at + SETTINGS_ENTRY_BYTES);
        kept += SETTINGS_ENTRY_BYTES;
      }
    }
    if (first) {
      rewritten.writeUInt16BE(SETTINGS_INITIAL_WINDOW_SIZE, kept);
      rewritten.writeUInt32BE(0, kept + 2);
      kept += SETTINGS_ENTRY_BYTES;
    }
    putFrameHeader(rewritten, 0, kept - FRAME_HEADER_BYTES, FrameType.SETTINGS, frame[4] as number, 0);
    const settings = rewritten.subarray(0, kept);

    this.#settingsSeen = true;
    const change = window === undefined ? 0 : window - this.#initialWindow;
    this.#initialWindow += change;
    const credit: number[] = [];
    if (change > 0) {
      for (const [stream, debt] of this.#debts) {
        const rest = this.#pay(stream, debt, change);
        if (rest > 0) credit.push(stream, rest);
      }
    } else if (change < 0) {
      for (const [stream, debt] of this.#debts) {
        if (debt === 0) this.#debtors++;
        this.#debts.set(stream, debt - change);
      }
    }
    // The first window is counted from HTTP/2's own default, as every change after it.
    this.#listener.settings(change);
    this.#hold(settings);
    if (credit.length > 0) this.#emit(windowUpdates(credit));
  }

  /** SETTINGS must stay in order, so one that could go waits behind one that is held. */
  #hold(settings: Buffer): void {
    if (this.#debtors === 0) {
      this.#held.push(settings);
      this.#emitDue();
      return;
    }
    if (this.#held.length >= HELD_SETTINGS_MAX) {
      throw refuse("HTTP2_LIMIT", `over ${HELD_SETTINGS_MAX} SETTINGS frames came before the first was acknowledged`);
    }
    this.#held.push(settings);
  }

  get #releasable(): boolean {
    return this.#debtors === 0 || this.#releaseForced;
  }

  /** Whether there is something of our own for node:http2: SETTINGS that were held, or a part of the window. */
  get #due(): boolean {
    return this.#granted > 0 || (this.#held.length > 0 && this.#releasable);
  }

  /** Emits what is due when this is a place between two frames, outside a header block. */
  #flushHeld(): void {
    if (!this.#due) return;
    const betweenFrames = this.#payloadLeft === 0 && this.#headerFill === 0 && this.#captured === undefined;
    if (!this.#feeding && betweenFrames && this.#prefaceLeft === 0 && !this.#inBlock) this.#emitDue();
  }

  #emitDue(): void {
    if (this.#releasable) {
      this.#releaseForced = false;
      for (const settings of this.#held.splice(0)) this.#emit(settings);
    }
    const granted = this.#granted;
    this.#granted = 0;
    if (granted > 0) this.#emit(windowUpdates([0, granted]));
  }

  #remember(stream: number): void {
    if (this.#debts.size >= OPEN_STREAMS_MAX) {
      throw refuse("HTTP2_LIMIT", `one connection has over ${OPEN_STREAMS_MAX} streams open: end calls or reconnect`);
    }
    this.#debts.set(stream, 0);
    this.#listener.opened(stream);
  }

  /** A stream is over; no credit matters to it any more. */
  ended(stream: number): void {
    const debt = this.#debts.get(stream);
    if (debt === undefined) return;
    this.#debts.delete(stream);
    if (debt > 0) {
      this.#debtors--;
      this.#flushHeld();
    }
  }
}
