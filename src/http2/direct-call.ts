/**
 * One call that does not pass through node:http2 (direct-calls.ts), as far as its listeners look at a ServerHttp2Stream:
 * unary-calls.ts and call-budget.ts in src/grpc. HOT PATH of control calls.
 */
import { EventEmitter } from "node:events";
import type { Http2Session } from "node:http2";
import { encodeLiterals } from "./hpack/literals.ts";
import { FRAME_BYTES_MAX_DEFAULT, FrameFlag, FrameType, Http2ErrorCode } from "./http2-frames.ts";
import type { OutboundFrames } from "./http2-outbound.ts";
import { type HeldFrame, insertedFrame } from "./outbound-parts.ts";

/** Values of response headers and trailers; undefined ones are left out. */
type Fields = Readonly<Record<string, string | number | readonly (string | Buffer)[] | string[] | undefined>>;

/** Header blocks of objects that stay the same. */
const blocks = new WeakMap<Fields, Buffer>();

/** The block of the headers; frozen ones are encoded once. */
function blockOf(fields: Fields): Buffer {
  const known = blocks.get(fields);
  if (known !== undefined) return known;
  const headers: [string, string][] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    for (const each of Array.isArray(value) ? value : [value]) headers.push([name, String(each)]);
  }
  const block = encodeLiterals(headers);
  if (Object.isFrozen(fields)) blocks.set(fields, block);
  return block;
}

/** Emits "data", "end" once the request is whole, "wantTrailers" as the answer is given, and "close" in the end. */
export class DirectCall extends EventEmitter {
  closed = false;
  headersSent = false;
  /** Whether the client has ended its side. */
  requestEnded = false;
  /** Bytes of the request's window that are to be given back. */
  refund = 0;
  /** Response headers, until the answer is there: they go out together. */
  #headers: Buffer | undefined;
  #trailers: Buffer | undefined;
  readonly #outbound: OutboundFrames;
  readonly #ended: () => void;

  /** @param ended told once, when nothing more is sent or received */
  constructor(
    /** HTTP/2 stream id. */
    readonly id: number,
    readonly session: Http2Session | undefined,
    outbound: OutboundFrames,
    ended: () => void,
  ) {
    super();
    this.#outbound = outbound;
    this.#ended = ended;
  }

  get destroyed(): boolean {
    return this.closed;
  }

  /** The request is whole. */
  endRequest(): void {
    this.requestEnded = true;
    this.emit("end");
  }

  respond(headers: Fields, { endStream = false }: { endStream?: boolean } = {}): void {
    if (this.closed) return;
    this.headersSent = true;
    this.#headers = blockOf(headers);
    if (!endStream) return;
    this.#outbound.insert(this.#headersFrame(this.#headers, true));
    this.finish();
  }

  /** @param message with gRPC's prefix; absent: trailers alone */
  end(message: Buffer = Buffer.alloc(0)): void {
    if (this.closed) return;
    this.emit("wantTrailers");
    const headers = this.#headersFrame(this.#headers ?? blockOf({ ":status": 200 }), false);
    const trailers = this.#headersFrame(this.#trailers ?? blockOf({}), true);
    if (message.length <= FRAME_BYTES_MAX_DEFAULT && this.#outbound.spend(this.id, message.length)) {
      this.#outbound.insert(headers, insertedFrame(FrameType.DATA, 0, this.id, message), trailers);
      this.finish();
      return;
    }
    this.#outbound.insert(headers);
    const sent = async () => (await this.#outbound.openLane(this.id)?.write([message])) ?? false;
    void sent().then((whole) => {
      if (whole) this.#outbound.insert(trailers);
      this.finish();
    });
  }

  #headersFrame(block: Buffer, ends: boolean): HeldFrame {
    const flags = FrameFlag.END_HEADERS | (ends ? FrameFlag.END_STREAM : 0);
    return insertedFrame(FrameType.HEADERS, flags, this.id, block);
  }

  sendTrailers(trailers: Fields): void {
    this.#trailers = blockOf(trailers);
  }

  /** Ends the call by RST_STREAM, unless it has had its whole answer. */
  close(code: number = Http2ErrorCode.NO_ERROR): void {
    this.#outbound.reset(this.id, code);
    this.finish();
  }

  /** Nothing more is sent or received. */
  finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.#ended();
    this.emit("close");
  }
}
