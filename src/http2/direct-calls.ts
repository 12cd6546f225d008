/**
 * Calls of one connection that do not pass through node:http2, which takes 0.1 ms of CPU for a call of a few bytes. HOT PATH
 * of control calls.
 *
 * It stands behind WindowRewriter: frames are metered, and windows are counted, before they come here. Header blocks refer to
 * earlier ones, so all of a connection are read here, and those of other calls go on to node:http2 as plain literals.
 *
 *     the client sends                      what becomes of it
 *     HEADERS of a method that is wanted    a DirectCall
 *     HEADERS of others                     the same headers, as literals, for node:http2
 *     DATA of a direct call                 its "data"; window is given back
 *     RST_STREAM of it                      its "close"
 *     WINDOW_UPDATE, PRIORITY of it         nothing: OutboundFrames keeps its window
 *     everything else                       the same bytes, not copied
 *
 * A header that is not plainly sound leaves its call to node:http2, whose judgement it is.
 */
import type { Http2Session, IncomingHttpHeaders } from "node:http2";
import { CodedError } from "../error.ts";
import { DirectCall } from "./direct-call.ts";
import { HeaderBlockError } from "./given-up.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import { encodeLiterals } from "./hpack/literals.ts";
import type { Header } from "./hpack/static-table.ts";
import {
  CLIENT_PREFACE_BYTES,
  contentOf,
  FRAME_BYTES_MAX_DEFAULT,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  frameHeader,
  frameOf,
  Http2ErrorCode,
  PRIORITY_BYTES,
  RST_STREAM_PAYLOAD_BYTES,
  WINDOW_BYTES_MAX,
  WINDOW_UPDATE_PAYLOAD_BYTES,
  windowUpdates,
} from "./http2-frames.ts";
import type { OutboundFrames } from "./http2-outbound.ts";

const HEADER_LIST_BYTES_MAX = 65_536; // what the runtime takes of headers
const REFUND_BYTES_MIN = 8192; // an eighth of a window: a frame for every few bytes would be a waste, and a flood
/** Frames about a direct call that node:http2 need not see, and their lengths (RFC 9113 section 6); all others are faults. */
const OF_STREAM_BYTES: ReadonlyMap<number, number> = new Map([
  [FrameType.PRIORITY, PRIORITY_BYTES],
  [FrameType.RST_STREAM, RST_STREAM_PAYLOAD_BYTES],
  [FrameType.WINDOW_UPDATE, WINDOW_UPDATE_PAYLOAD_BYTES],
]);
const REMEMBERED_MAX = 1024; // frames that cross with an answer come within a round trip
const SOUND_NAME = /^:?[a-z0-9!#$%&'*+.^_`|~-]+$/;
const UNSOUND_VALUE = /[\0\r\n]/;
const REQUEST_PSEUDO_HEADERS: readonly string[] = [":method", ":scheme", ":path", ":authority"];

/** Who takes direct calls. */
export interface DirectCallTaker {
  /** Whether a call with these headers is to be direct: a unary one that ends soon. */
  wants(headers: IncomingHttpHeaders): boolean;
  begun(call: DirectCall, headers: IncomingHttpHeaders): void;
  /** Streams that the connection may have open. */
  readonly streamsMax: number;
}

type Fate = "pass" | "collect" | "drop";

/** Sorts the frames of one connection. */
export class DirectCalls {
  /** node:http2's end of the connection, once it is there. */
  session: Http2Session | undefined;
  readonly #emit: (bytes: Buffer) => void;
  readonly #outbound: OutboundFrames;
  readonly #taker: DirectCallTaker;
  readonly #idle: () => void;
  readonly #decoder = new HpackDecoder(HEADER_LIST_BYTES_MAX);
  readonly #calls = new Map<number, DirectCall>();
  /** Direct calls that are over, the oldest first: node:http2 has never heard of their streams. */
  readonly #past = new Set<number>();
  /** Streams that node:http2 has heard of last, the oldest first. */
  readonly #passedOn = new Set<number>();
  #lastStream = 0; // that the client has opened
  #lastPassedOn = 0; // the highest that node:http2 has heard of
  #refund = 0; // bytes of the connection's window that are to be given back

  // Position in the bytes that come in.
  #prefaceLeft = CLIENT_PREFACE_BYTES;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerFill = 0;
  #left = 0; // of the payload of the frame at hand
  #fate: Fate = "pass";
  #type = 0;
  #flags = 0;
  #stream = 0;
  #parts: Buffer[] = []; // of its payload
  #block: Buffer[] | undefined; // of a header block that is not complete
  #blockFlags = 0; // of its HEADERS
  #blockStream = 0;

  /**
   * @param emit receives the bytes for node:http2, in order
   * @param idle told when the last direct call has ended
   */
  constructor(emit: (bytes: Buffer) => void, outbound: OutboundFrames, taker: DirectCallTaker, idle: () => void) {
    this.#emit = emit;
    this.#outbound = outbound;
    this.#taker = taker;
    this.#idle = idle;
  }

  get open(): number {
    return this.#calls.size;
  }

  /** Takes bytes split anywhere. @throws CodedError when the connection must be closed; feed nothing after that */
  inbound(bytes: Buffer): void {
    const end = bytes.length;
    let at = Math.min(this.#prefaceLeft, end);
    let from = 0; // emitted, collected or dropped up to here
    this.#prefaceLeft -= at;
    while (at < end) {
      if (this.#left > 0) {
        const to = Math.min(end, at + this.#left);
        if (this.#fate === "collect") this.#parts.push(bytes.subarray(at, to));
        if (this.#fate !== "pass") from = to;
        this.#left -= to - at;
        at = to;
      } else {
        const inPieces = this.#headerFill > 0 || end - at < FRAME_HEADER_BYTES;
        const before = at;
        if (inPieces) {
          if (from < at) this.#emit(bytes.subarray(from, at));
          const count = Math.min(FRAME_HEADER_BYTES - this.#headerFill, end - at);
          bytes.copy(this.#header, this.#headerFill, at, at + count);
          this.#headerFill += count;
          at += count;
          from = at;
          if (this.#headerFill < FRAME_HEADER_BYTES) return;
          this.#headerFill = 0;
          this.#start(this.#header, 0);
          if (this.#fate === "pass") this.#emit(Buffer.from(this.#header));
        } else {
          this.#start(bytes, at);
          at += FRAME_HEADER_BYTES;
          if (this.#fate !== "pass") {
            if (from < before) this.#emit(bytes.subarray(from, before));
            from = at;
          }
        }
      }
      if (this.#left === 0 && this.#fate === "collect") this.#collected();
    }
    if (from < end) this.#emit(from === 0 ? bytes : bytes.subarray(from));
  }

  /** The connection is gone. */
  destroy(): void {
    for (const call of [...this.#calls.values()]) call.finish();
  }

  #start(header: Buffer, at: number): void {
    const { length, type, flags, stream } = frameHeader(header, at);
    this.#left = length;
    this.#type = type;
    this.#flags = flags;
    this.#stream = stream;
    const isBlock = this.#type === FrameType.HEADERS || this.#type === FrameType.CONTINUATION;
    const goesOn = this.#type === FrameType.CONTINUATION && this.#stream === this.#blockStream;
    if (this.#block === undefined ? this.#type === FrameType.CONTINUATION : !goesOn) {
      throw wrong("a header block is interrupted, or a CONTINUATION stands alone");
    }
    const call = this.#calls.get(this.#stream);
    const ours = call !== undefined || this.#isPast(this.#stream);
    if (isBlock || (this.#type === FrameType.DATA && ours)) {
      if (this.#left > FRAME_BYTES_MAX_DEFAULT)
        throw wrong(`a frame has ${this.#left} B, over ${FRAME_BYTES_MAX_DEFAULT}`);
      this.#fate = "collect";
      if (this.#type === FrameType.DATA) this.#giveBack(this.#left, call);
      return;
    }
    const known = ours && OF_STREAM_BYTES.get(this.#type) === this.#left;
    this.#fate = !known ? "pass" : this.#type === FrameType.WINDOW_UPDATE ? "collect" : "drop";
    if (known && this.#type === FrameType.RST_STREAM) call?.finish();
  }

  /** Whether a stream was a direct call's: one that is remembered, or one newer than all that node:http2 has heard of. */
  #isPast(stream: number): boolean {
    return this.#past.has(stream) || (stream > this.#lastPassedOn && stream <= this.#lastStream);
  }

  /** A frame of those that are collected is whole. */
  #collected(): void {
    this.#fate = "pass";
    const whole = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#parts = [];
    if (this.#type === FrameType.WINDOW_UPDATE) {
      const isNothing = (whole.readUInt32BE() & WINDOW_BYTES_MAX) === 0;
      if (isNothing) this.#calls.get(this.#stream)?.close(Http2ErrorCode.PROTOCOL_ERROR);
      return;
    }
    if (this.#type === FrameType.CONTINUATION) this.#block!.push(whole);
    else {
      const isData = this.#type === FrameType.DATA;
      const content = contentOf(isData ? this.#flags & FrameFlag.PADDED : this.#flags, whole);
      if (content === undefined) throw wrong(`a frame of ${whole.length} B has no room for its padding or priority`);
      if (isData) {
        this.#data(content);
        return;
      }
      this.#block = [content];
      this.#blockFlags = this.#flags;
      this.#blockStream = this.#stream;
    }
    if ((this.#flags & FrameFlag.END_HEADERS) === 0) return;
    const block = this.#block!.length === 1 ? this.#block![0]! : Buffer.concat(this.#block!);
    this.#block = undefined;
    this.#headers(this.#stream, block, (this.#blockFlags & FrameFlag.END_STREAM) !== 0);
  }

  #data(payload: Buffer): void {
    const call = this.#calls.get(this.#stream);
    if (call === undefined) return; // it crosses with the answer
    const ends = (this.#flags & FrameFlag.END_STREAM) !== 0;
    if (call.requestEnded) {
      call.close(Http2ErrorCode.STREAM_CLOSED);
      return;
    }
    // What waits for more has memory of its own, and does not keep the socket's whole chunk.
    if (payload.length > 0) call.emit("data", ends ? payload : Buffer.from(payload));
    if (ends) call.endRequest();
  }

  #headers(stream: number, block: Buffer, ends: boolean): void {
    const headers = this.#decoded(block);
    const known = this.#calls.get(stream);
    if (known !== undefined) {
      if (known.requestEnded) known.close(Http2ErrorCode.STREAM_CLOSED);
      else if (ends) known.endRequest();
      else known.close(Http2ErrorCode.PROTOCOL_ERROR); // headers in the middle of a request
      return;
    }
    if (this.#past.has(stream)) return; // it crosses with the answer
    const opens = stream > this.#lastStream;
    if (stream % 2 === 0) throw wrong(`stream ${stream} is a server's: a client's have odd numbers`);
    if (!opens && !this.#passedOn.has(stream) && !this.#outbound.isOpen(stream)) {
      throw wrong(`stream ${stream} begins after stream ${this.#lastStream}: numbers of new streams must grow`);
    }
    if (opens) this.#lastStream = stream;
    if (opens && this.#outbound.openStreams > this.#taker.streamsMax) {
      remember(this.#past, stream);
      this.#outbound.reset(stream, Http2ErrorCode.REFUSED_STREAM); // the client may try again
      return;
    }
    const isDoubtful = ends || !opens || this.#outbound.goawaySent;
    const sound = isDoubtful ? undefined : soundHeaders(headers);
    if (sound === undefined || !this.#taker.wants(sound)) {
      this.#passOn(stream, encodeLiterals(headers), ends);
      return;
    }
    const call = new DirectCall(stream, this.session, this.#outbound, () => this.#ended(stream));
    this.#calls.set(stream, call);
    this.#outbound.lastDirect = stream;
    this.#taker.begun(call, sound);
  }

  #decoded(block: Buffer): Header[] {
    try {
      return this.#decoder.decode(block);
    } catch (error) {
      throw new HeaderBlockError(error instanceof RangeError ? error.message : "a header block cannot be read");
    }
  }

  #passOn(stream: number, block: Buffer, ends: boolean): void {
    this.#lastPassedOn = Math.max(this.#lastPassedOn, stream);
    remember(this.#passedOn, stream);
    let type: number = FrameType.HEADERS;
    for (let at = 0; at === 0 || at < block.length; at += FRAME_BYTES_MAX_DEFAULT) {
      const part = block.subarray(at, at + FRAME_BYTES_MAX_DEFAULT);
      const last = at + part.length === block.length ? FrameFlag.END_HEADERS : 0;
      this.#emit(frameOf(type, last | (ends && at === 0 ? FrameFlag.END_STREAM : 0), stream, part));
      type = FrameType.CONTINUATION;
    }
  }

  #ended(stream: number): void {
    this.#calls.delete(stream);
    remember(this.#past, stream);
    if (this.#calls.size === 0) this.#idle();
  }

  /** What was taken in is a window's again: what a call may hold is limited by its budget. */
  #giveBack(bytes: number, call: DirectCall | undefined): void {
    this.#refund += bytes;
    const updates: number[] = [];
    if (call !== undefined && (this.#flags & FrameFlag.END_STREAM) === 0) {
      call.refund += bytes;
      if (call.refund >= REFUND_BYTES_MIN) {
        updates.push(this.#stream, call.refund);
        call.refund = 0;
      }
    }
    if (this.#refund >= REFUND_BYTES_MIN) {
      updates.push(0, this.#refund);
      this.#refund = 0;
    }
    if (updates.length > 0) this.#outbound.update(windowUpdates(updates));
  }
}

/** The headers as node:http2 gives them; undefined where there is anything to judge about them. */
function soundHeaders(list: readonly Header[]): IncomingHttpHeaders | undefined {
  const headers: Record<string, string> = {};
  let regular = false;
  for (const [name, value] of list) {
    const isPseudo = name.startsWith(":");
    regular ||= !isPseudo;
    if (isPseudo && (regular || !REQUEST_PSEUDO_HEADERS.includes(name))) return undefined;
    if (name in headers || !SOUND_NAME.test(name) || UNSOUND_VALUE.test(value)) return undefined;
    headers[name] = value;
  }
  if (headers[":method"] !== "POST" || REQUEST_PSEUDO_HEADERS.some((name) => !headers[name])) return undefined;
  if (headers.te !== "trailers" || "connection" in headers || "content-length" in headers) return undefined;
  return headers;
}

/** Adds a stream to those that are remembered; the oldest is forgotten. */
function remember(streams: Set<number>, stream: number): void {
  streams.add(stream);
  if (streams.size > REMEMBERED_MAX) streams.delete(streams.values().next().value!);
}

function wrong(what: string): CodedError {
  return new CodedError("INVALID_ARGUMENT", "HTTP2_PROTOCOL", what);
}
