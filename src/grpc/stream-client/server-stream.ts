/**
 * One server-streaming gRPC call on a connection of its own, pulled message by message. What has come and was not taken,
 * together with what the server may still send, is never more than WINDOW_BYTES: room is granted as messages are taken.
 * A message that is larger than that goes on only while the reader waits for it, so it stands in memory alone.
 *
 *     ├─ queued messages ─┤├─ part of the next ─┤├─ allowed, not sent yet ─┤├─ not granted yet, under GRANT_BYTES_MIN ─┤
 *     ├───────────────────────────────────── WINDOW_BYTES ──────────────────────────────────────┤
 */
import * as grpc from "@grpc/grpc-js";
import { ReusedBuffers } from "../../base/reused-buffers.ts";
import { ClientStream, type ClientStreamOwner } from "../../http2/client/client-stream.ts";
import { Http2Fault } from "../../http2/client/fault.ts";
import type { Header } from "../../http2/hpack/static-table.ts";
import { Http2ErrorCode } from "../../http2/http2-frames.ts";
import { type Address, formatAddress } from "../address.ts";
import type { ClientTls } from "../tls-credentials.ts";
import {
  CallFault,
  type CallStatus,
  headerValue,
  statusOfHeaders,
  statusOfReset,
  statusOfTrailers,
} from "./call-status.ts";
import { dial, type Wire, type WireListener } from "./dial.ts";
import { gunzipped } from "./gunzip.ts";
import { LargeMessage } from "./large-messages.ts";
import { MessageAssembler, type ReceivedMessage } from "./message-assembler.ts";

/** Enough for 80 MB/s from a server 100 ms away, and four dense ledgers to bridge a pause of the reader. */
export const WINDOW_BYTES = 8 << 20;
const GRANT_BYTES_MIN = WINDOW_BYTES / 4; // a frame for every few bytes would be a waste

/** Memory of messages that is kept for the next ones: all that a window holds, or one large message. */
const KEPT_BYTES_MAX = 16 << 20;

/** The beginning of a ledger and its header are among these. */
const COMING_FILLED_MIN = 64 << 10;

/** Messages that wait to be taken; a ledger is never as small as this many would be in a window. */
export const QUEUE_MESSAGES_MAX = 65_536;

/** From dialling to the server's first frame: name, connection, TLS. A busy server takes a second. */
const HELLO_MS_MAX = 10_000;

/** The call, and whom it is made to. */
interface ServerStreamOptions {
  address: Address;
  /** Undefined for a plain connection. */
  tls: ClientTls | undefined;
  authorization: string | undefined;
  /** `/package.Service/Method`. */
  path: string;
  /** The one request, encoded. */
  request: Uint8Array;
  messageBytesMax: number;
}

/** How far it has come: no connection yet; the server has not said anything of HTTP/2; it has. */
type ServerStreamStage = "dialling" | "greeting" | "established";

/** What `next` gives. */
export type ServerStreamEvent =
  /** `release` gives the memory of `bytes` back; nobody may use them afterwards. */
  | { kind: "message"; bytes: Uint8Array; release: () => void }
  /** The call is over, with OK or not. */
  | { kind: "ended"; status: CallStatus; cause?: unknown; stage: ServerStreamStage }
  /** Nothing came for the time given. */
  | { kind: "stalled" }
  /** `close` was called. */
  | { kind: "closed" };

/** Some of a large message has come; `next` gives it whole, in the same memory. See `until`. */
interface ComingMessage {
  kind: "coming";
  bytes: Uint8Array;
}

/** One reader calls `next`, and awaits it before it calls again. */
export class ServerStream {
  readonly #options: ServerStreamOptions;
  readonly #wire: Wire;
  #stream: ClientStream | undefined;
  readonly #buffers = new ReusedBuffers(KEPT_BYTES_MAX);
  readonly #assembler: MessageAssembler;
  readonly #queue: ReceivedMessage[] = [];
  #queuedBytes = 0;
  /** The message that comes and is larger than the window, or has come and is not released. */
  #large: LargeMessage | undefined;
  #encoding: string | undefined;
  #end: Extract<ServerStreamEvent, { kind: "ended" | "closed" }> | undefined;
  #wake: (() => void) | undefined;
  /** Whether what the reader waits for is there. */
  #isHere = () => false;
  readonly #hello: ReturnType<typeof setTimeout>;

  constructor(options: ServerStreamOptions) {
    this.#options = options;
    this.#assembler = new MessageAssembler(this.#buffers, options.messageBytesMax, (message) => this.#add(message));
    this.#hello = setTimeout(() => this.#late(), HELLO_MS_MAX);
    this.#wire = dial(options.address, options.tls, this.#listener());
  }

  /** Bytes that have come and were not taken yet. */
  get queuedBytes(): number {
    return this.#queuedBytes + this.#assembler.partBytes;
  }

  /** The next message, in the order of the stream. What came before the end is handed out first. Never rejects. */
  async next(stallMsMax: number): Promise<ServerStreamEvent> {
    const isThere = await this.#wait(stallMsMax, () => this.#isSettled);
    return isThere ? this.#take() : { kind: "stalled" };
  }

  /** As `next`, but a message of that size or above is told of as soon as COMING_FILLED_MIN bytes of it are there. */
  async nextOrComing(stallMsMax: number, comingBytesMin: number): Promise<ServerStreamEvent | ComingMessage> {
    const coming = () => this.#coming(comingBytesMin);
    if (!(await this.#wait(stallMsMax, () => this.#isSettled || coming() !== undefined))) return { kind: "stalled" };
    return this.#isSettled ? this.#take() : { kind: "coming", bytes: coming()! };
  }

  /** Whether there is a message, or the end. */
  get #isSettled(): boolean {
    return this.#queue.length > 0 || this.#end !== undefined;
  }

  async #take(): Promise<ServerStreamEvent> {
    const message = this.#end?.kind === "closed" ? undefined : this.#queue.shift();
    if (message === undefined) return this.#end!;
    this.#queuedBytes -= message.bytes.length;
    this.#grant();
    if (message.isCompressed) return this.#inflated(message);
    const release = () => {
      if (message.bytes.length > WINDOW_BYTES) this.#endLarge(); // memory that is given back may have no length
      this.#buffers.give(message.bytes);
    };
    return { kind: "message", bytes: message.bytes, release };
  }

  /** How much has come of a message that `next` has told of. */
  filled(coming: Uint8Array): number {
    if (this.#queue[0]?.bytes === coming) return coming.length;
    const { part } = this.#assembler;
    return part?.bytes === coming ? part.filled : 0;
  }

  /** Resolves once so much of that message has come; false where it has not in that time, or the call is over. */
  async until(coming: Uint8Array, bytes: number, msMax: number): Promise<boolean> {
    const isHere = () => this.filled(coming) >= bytes;
    await this.#wait(msMax, () => isHere() || this.#end !== undefined);
    return isHere();
  }

  /** Ends the call and its connection; a waiting `next` gets `closed`. */
  close(): void {
    if (this.#end?.kind === "closed") return;
    this.#shut(Http2ErrorCode.NO_ERROR, "");
    this.#end = { kind: "closed" };
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#buffers.clear();
    this.#notify();
  }

  #listener(): WireListener {
    return {
      opened: () => {
        this.#stream = new ClientStream(this.#owner(), this.#headers(), this.#body(), WINDOW_BYTES);
      },
      data: (chunk) => this.#read(chunk),
      closed: (error) => {
        const said = this.#stream?.goawaySaid;
        const why = error?.message ?? "the source closed the connection";
        const details = `${why}${codeOf(error)}${said === undefined ? "" : ` after ${said}`}`;
        this.#finish({ code: grpc.status.UNAVAILABLE, details }, error);
      },
    };
  }

  #owner(): ClientStreamOwner {
    return {
      write: (bytes) => this.#wire.write(bytes),
      headers: (headers, isLast) => {
        if (isLast) return this.#finish(statusOfTrailers(headers));
        this.#encoding ??= headerValue(headers, "grpc-encoding");
        const wrong = statusOfHeaders(headers);
        if (wrong !== undefined) this.#finish(wrong);
      },
      data: (chunk, from, to) => this.#assembler.add(chunk, from, to),
      ended: () => this.#finish(statusOfTrailers([])),
      reset: (code) => this.#finish(statusOfReset(code)),
    };
  }

  #headers(): Header[] {
    const { address, tls, path, authorization } = this.#options;
    return [
      [":method", "POST"],
      [":scheme", tls === undefined ? "http" : "https"],
      [":path", path],
      [":authority", formatAddress(address)],
      ["te", "trailers"],
      ["content-type", "application/grpc"],
      ["user-agent", "contract-data-processor"],
      ["grpc-accept-encoding", "identity,gzip"],
      ...(authorization === undefined ? [] : [["authorization", authorization] as const]),
    ];
  }

  #body(): Buffer {
    const { request } = this.#options;
    const prefix = Buffer.alloc(5); // not compressed
    prefix.writeUInt32BE(request.length, 1);
    return Buffer.concat([prefix, request]);
  }

  #read(chunk: Buffer): void {
    try {
      this.#stream!.feed(chunk);
      if (this.#stream!.established) clearTimeout(this.#hello);
      this.#grant();
      if (this.#wake !== undefined && this.#isHere()) this.#notify();
    } catch (thrown) {
      if (thrown instanceof CallFault) this.#finish({ code: thrown.code, details: thrown.message }, thrown);
      else if (thrown instanceof Http2Fault) {
        this.#shut(thrown.code, thrown.message);
        const details = `it breaks the rules of HTTP/2: ${thrown.message}`;
        this.#finish({ code: grpc.status.INTERNAL, details }, thrown);
      } else throw thrown;
    }
  }

  #add(message: ReceivedMessage): void {
    if (this.#queue.length >= QUEUE_MESSAGES_MAX) {
      const sentence = `over ${QUEUE_MESSAGES_MAX} messages of ${this.#queuedBytes} B in all wait: they are too small`;
      throw new CallFault(grpc.status.RESOURCE_EXHAUSTED, sentence);
    }
    this.#queue.push(message);
    this.#queuedBytes += message.bytes.length;
    this.#notify();
  }

  /** Lets the server send what there is room for. */
  #grant(): void {
    const stream = this.#stream;
    if (stream === undefined || this.#end !== undefined) return;
    const allowed = stream.allowedBytes;
    const isWanted = this.#queue.length === 0 && this.#wake !== undefined;
    const missing = isWanted && this.#mayCome() ? this.#assembler.missingBytes : 0;
    const room = Math.max(WINDOW_BYTES - this.queuedBytes, Math.min(missing, WINDOW_BYTES)) - allowed;
    if (room >= GRANT_BYTES_MIN || (room > 0 && missing > allowed)) stream.grant(room);
  }

  /** The message that comes, where it is one to tell of: it may come whole, so it waits for nobody's room any more. */
  #coming(bytesMin: number): Uint8Array | undefined {
    const { part } = this.#assembler;
    if (part === undefined || part.bytes.length < bytesMin || part.filled < COMING_FILLED_MIN) return undefined;
    return part.bytes.length <= WINDOW_BYTES || this.#large?.mayCome ? part.bytes : undefined;
  }

  /** Whether the message that is wanted may come whole. */
  #mayCome(): boolean {
    const { messageBytes } = this.#assembler;
    if (messageBytes <= WINDOW_BYTES) return true;
    this.#large ??= new LargeMessage(messageBytes, () => this.#grant());
    return this.#large.mayCome;
  }

  #endLarge(): void {
    this.#large?.end();
    this.#large = undefined;
  }

  async #inflated({ bytes }: ReceivedMessage): Promise<ServerStreamEvent> {
    try {
      const inflated = await gunzipped(bytes, this.#encoding, this.#options.messageBytesMax);
      return { kind: "message", bytes: inflated, release: () => {} };
    } catch (thrown) {
      const { code, message } = thrown as CallFault;
      this.#queue.length = 0;
      this.#queuedBytes = 0;
      this.#finish({ code, details: message }, thrown);
      return this.#end!;
    } finally {
      if (bytes.length > WINDOW_BYTES) this.#endLarge();
      this.#buffers.give(bytes);
    }
  }

  get #stage(): ServerStreamStage {
    if (this.#stream === undefined) return "dialling";
    return this.#stream.established ? "established" : "greeting";
  }

  #late(): void {
    const connection = this.#options.tls === undefined ? "connection" : "TLS connection";
    const awaited = this.#stage === "dialling" ? connection : "HTTP/2 SETTINGS";
    const details = `no ${awaited} within ${HELLO_MS_MAX} ms`;
    this.#finish({ code: grpc.status.DEADLINE_EXCEEDED, details });
  }

  /** The first reason counts. Closes the connection. */
  #finish(status: CallStatus, cause?: unknown): void {
    if (this.#end !== undefined) return;
    const isCut = status.code === grpc.status.OK && this.#assembler.partBytes > 0;
    const told = isCut ? { code: grpc.status.INTERNAL, details: "the stream ended inside a message" } : status;
    this.#end = { kind: "ended", status: told, cause, stage: this.#stage };
    this.#shut(Http2ErrorCode.NO_ERROR, "");
    this.#notify();
  }

  #shut(code: number, why: string): void {
    clearTimeout(this.#hello);
    this.#endLarge();
    if (this.#end === undefined || code !== Http2ErrorCode.NO_ERROR) this.#stream?.close(code, why);
    this.#wire.close();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Until what is looked for is there; false where the time ran out. */
  async #wait(ms: number, isHere: () => boolean): Promise<boolean> {
    if (isHere()) return true;
    this.#isHere = isHere;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#wake = undefined;
        resolve(false);
      }, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.#grant();
    });
  }
}

/** A system's or TLS' name for the error, for sentences. */
function codeOf(error: Error | undefined): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" && !error!.message.includes(code) ? ` (${code})` : "";
}
