/**
 * An HTTP/2 connection with one stream on it, as its client sees it: a request that is sent at once, and an answer of any
 * length. Knows no socket. The server may send as many bytes as it has been granted and no more; the owner grants, and
 * what it grants is what it has room for.
 *
 * | comes | what is done |
 * |---|---|
 * | SETTINGS, PING | acknowledged; nothing that a server can set matters to one request of a few bytes |
 * | HEADERS with CONTINUATION | decoded once complete: the answer's headers, then its trailers |
 * | DATA | given to the owner where it lies |
 * | RST_STREAM; GOAWAY that leaves the stream out | the end |
 * | GOAWAY otherwise | remembered: the stream goes on to its end, or to the connection's |
 * | PRIORITY, WINDOW_UPDATE, unknown types | nothing |
 * | anything wrong, over a limit, or pushed | Http2Fault |
 */

import { HpackDecoder } from "../hpack/decoder.ts";
import { encodeLiterals } from "../hpack/literals.ts";
import type { Header } from "../hpack/static-table.ts";
import {
  CLIENT_PREFACE,
  contentOf,
  FrameFlag,
  FrameType,
  frameOf,
  goaway,
  Http2ErrorCode,
  INITIAL_WINDOW_BYTES_DEFAULT,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_ENTRY_BYTES,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_HEADER_LIST_SIZE,
  STREAM_ID_MASK,
  settingsFrame,
  windowUpdates,
} from "../http2-frames.ts";
import { Http2Fault } from "./fault.ts";
import { FrameScanner, type FrameSink } from "./frame-scanner.ts";

/** Headers of one block, counted as RFC 9113 does; also its bytes as they are sent. */
export const HEADER_LIST_BYTES_MAX = 32 << 10; // gRPC libraries take 8 to 16 KiB from each other

/** Frames in a row that carry no byte of the answer: pings, settings, empty ones. */
export const QUIET_FRAMES_MAX = 1000; // keepalive takes one every few seconds at most

const STREAM = 1; // the only one
const PING_BYTES = 8; // section 6.7
const CODE_BYTES = 4; // section 6.4
const GOAWAY_BYTES_MIN = 8; // section 6.8
const SERVER_TEXT_CHARS_MAX = 200; // of what a GOAWAY says; for a sentence

/** Whom the answer goes to. */
export interface ClientStreamOwner {
  /** Sends these bytes to the server. */
  write(bytes: Buffer): void;
  /** The answer's headers, or its trailers where the stream ends with them. */
  headers(headers: readonly Header[], isLast: boolean): void;
  /** A piece of the answer: `chunk` from `from` to before `to`. Valid during the call. */
  data(chunk: Buffer, from: number, to: number): void;
  /** The answer has ended without trailers. */
  ended(): void;
  /** The server has given the stream up, with an error code of RFC 9113's section 7. */
  reset(code: number): void;
}

/** For one connection. */
export class ClientStream implements FrameSink {
  readonly #owner: ClientStreamOwner;
  readonly #scanner = new FrameScanner(this);
  readonly #headers = new HpackDecoder(HEADER_LIST_BYTES_MAX);
  /** Bytes that the server may still send. */
  #allowed: number;
  #settingsCame = false;
  #headersCame = false;
  #over = false;
  #quietFrames = 0;
  /** A header block whose end has not come; `#blockFlags` are those of its HEADERS. */
  #block: Buffer[] | undefined;
  #blockBytes = 0;
  #blockFlags = 0;
  #goaway: string | undefined;

  /**
   * Sends the request.
   * @param headers names in lower case, those with a colon first
   * @param windowBytes what the server may send at first; 65535 to 2^31 - 1
   */
  constructor(owner: ClientStreamOwner, headers: readonly Header[], body: Uint8Array, windowBytes: number) {
    this.#owner = owner;
    this.#allowed = windowBytes;
    const settings = settingsFrame([
      SETTINGS_ENABLE_PUSH,
      0,
      SETTINGS_INITIAL_WINDOW_SIZE,
      windowBytes,
      SETTINGS_MAX_HEADER_LIST_SIZE,
      HEADER_LIST_BYTES_MAX,
    ]);
    const more = windowBytes - INITIAL_WINDOW_BYTES_DEFAULT; // the setting is for streams alone: section 6.9.2
    owner.write(
      Buffer.concat([
        Buffer.from(CLIENT_PREFACE),
        settings,
        ...(more > 0 ? [windowUpdates([0, more])] : []),
        frameOf(FrameType.HEADERS, FrameFlag.END_HEADERS, STREAM, encodeLiterals(headers)),
        frameOf(FrameType.DATA, FrameFlag.END_STREAM, STREAM, body),
      ]),
    );
  }

  /** Bytes that the server may still send. */
  get allowedBytes(): number {
    return this.#allowed;
  }

  /** Whether the server speaks HTTP/2: its SETTINGS have come. */
  get established(): boolean {
    return this.#settingsCame;
  }

  /** What the server's last GOAWAY said. */
  get goawaySaid(): string | undefined {
    return this.#goaway;
  }

  /** Takes bytes from the server, split anywhere. @throws Http2Fault; nothing may be fed after that */
  feed(chunk: Buffer): void {
    this.#scanner.feed(chunk);
  }

  /** Lets the server send so many bytes more. */
  grant(bytes: number): void {
    if (this.#over) return;
    this.#allowed += bytes;
    this.#owner.write(windowUpdates([0, bytes, STREAM, bytes]));
  }

  /** Says goodbye, with an error code of section 7. */
  close(code: number, why: string): void {
    this.#over = true;
    this.#owner.write(goaway(0, code, why)); // 0: the last stream of the server's that was looked at
  }

  begin(type: number, flags: number, stream: number, payloadBytes: number): void {
    if (!this.#settingsCame && (type !== FrameType.SETTINGS || stream !== 0 || (flags & FrameFlag.ACK) !== 0)) {
      throw violation("what it says first is not HTTP/2");
    }
    const isOfBlock = type === FrameType.CONTINUATION && stream === STREAM;
    if (this.#block === undefined ? type === FrameType.CONTINUATION : !isOfBlock) {
      throw violation(
        `a frame of type ${type} came ${this.#block === undefined ? "outside" : "inside"} a header block`,
      );
    }
    if (type === FrameType.PUSH_PROMISE) throw violation("it pushes, which it was told not to");
    const isOfStream = type === FrameType.DATA || type === FrameType.HEADERS;
    if (isOfStream && stream !== STREAM)
      throw violation(`a frame of type ${type} is of stream ${stream}; there is only 1`);
    if (type !== FrameType.DATA || payloadBytes === 0) this.#countQuiet();
    if (type !== FrameType.DATA) return;
    if (!this.#headersCame) throw violation("DATA came before the answer's headers");
    this.#allowed -= payloadBytes;
    if (this.#allowed < 0) {
      const sentence = `it has sent ${-this.#allowed} B more than the window allows`;
      throw new Http2Fault(Http2ErrorCode.FLOW_CONTROL_ERROR, sentence);
    }
  }

  data(chunk: Buffer, from: number, to: number): void {
    this.#quietFrames = 0;
    if (!this.#over) this.#owner.data(chunk, from, to);
  }

  frame(type: number, flags: number, stream: number, payload: Buffer): void {
    switch (type) {
      case FrameType.DATA:
        if ((flags & FrameFlag.END_STREAM) !== 0) this.#end(() => this.#owner.ended());
        return;
      case FrameType.HEADERS:
        this.#block = [];
        this.#blockBytes = 0;
        this.#blockFlags = flags;
        this.#addToBlock(unpadded(flags, payload), flags);
        return;
      case FrameType.CONTINUATION:
        this.#addToBlock(payload, flags);
        return;
      case FrameType.RST_STREAM:
        checkLength(type, payload.length === CODE_BYTES && stream === STREAM);
        this.#end(() => this.#owner.reset(payload.readUInt32BE(0)));
        return;
      case FrameType.SETTINGS:
        checkLength(type, stream === 0 && payload.length % SETTINGS_ENTRY_BYTES === 0);
        this.#settingsCame = true;
        if ((flags & FrameFlag.ACK) === 0) this.#owner.write(frameOf(type, FrameFlag.ACK, 0, Buffer.alloc(0)));
        return;
      case FrameType.PING:
        checkLength(type, stream === 0 && payload.length === PING_BYTES);
        if ((flags & FrameFlag.ACK) === 0) this.#owner.write(frameOf(type, FrameFlag.ACK, 0, payload));
        return;
      case FrameType.GOAWAY:
        checkLength(type, stream === 0 && payload.length >= GOAWAY_BYTES_MIN);
        this.#goneAway(payload);
    }
  }

  #goneAway(payload: Buffer): void {
    const code = payload.readUInt32BE(CODE_BYTES);
    const text = payload.toString("utf8", GOAWAY_BYTES_MIN).slice(0, SERVER_TEXT_CHARS_MAX);
    this.#goaway = `GOAWAY ${code}${text === "" ? "" : ` (${text})`}`;
    if ((payload.readUInt32BE(0) & STREAM_ID_MASK) >= STREAM) return;
    this.#end(() => this.#owner.reset(code === Http2ErrorCode.NO_ERROR ? Http2ErrorCode.REFUSED_STREAM : code));
  }

  #addToBlock(part: Buffer, flags: number): void {
    this.#blockBytes += part.length;
    if (this.#blockBytes > HEADER_LIST_BYTES_MAX) {
      const sentence = `a header block of ${this.#blockBytes} B so far is over max ${HEADER_LIST_BYTES_MAX} B`;
      throw new Http2Fault(Http2ErrorCode.ENHANCE_YOUR_CALM, sentence);
    }
    this.#block!.push(Buffer.from(part));
    if ((flags & FrameFlag.END_HEADERS) === 0) return;
    const block = Buffer.concat(this.#block!);
    this.#block = undefined;
    const headers = this.#decode(block);
    this.#headersCame = true;
    const isLast = (this.#blockFlags & FrameFlag.END_STREAM) !== 0;
    if (isLast) this.#end(() => this.#owner.headers(headers, true));
    else if (!this.#over) this.#owner.headers(headers, false);
  }

  #decode(block: Buffer): Header[] {
    try {
      return this.#headers.decode(block);
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      throw new Http2Fault(Http2ErrorCode.COMPRESSION_ERROR, thrown.message);
    }
  }

  /** What comes after the end goes nowhere. */
  #end(tell: () => void): void {
    if (this.#over) return;
    this.#over = true;
    tell();
  }

  #countQuiet(): void {
    if (++this.#quietFrames <= QUIET_FRAMES_MAX) return;
    const sentence = `${this.#quietFrames} frames in a row carry nothing of the answer, over max ${QUIET_FRAMES_MAX}`;
    throw new Http2Fault(Http2ErrorCode.ENHANCE_YOUR_CALM, sentence);
  }
}

/** A HEADERS frame's part of the block. */
function unpadded(flags: number, payload: Buffer): Buffer {
  const content = contentOf(flags, payload);
  if (content === undefined) throw violation("a HEADERS frame has more padding than bytes");
  return content;
}

function checkLength(type: number, isRight: boolean): void {
  if (isRight) return;
  throw new Http2Fault(Http2ErrorCode.FRAME_SIZE_ERROR, `a frame of type ${type} has a wrong length or stream`);
}

function violation(sentence: string): Http2Fault {
  return new Http2Fault(Http2ErrorCode.PROTOCOL_ERROR, sentence);
}
