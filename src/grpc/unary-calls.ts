/**
 * Unary calls between node:http2 and their handlers, past grpc-js: its chain of interceptors and object streams costs more
 * than a third of a small call, 0.1 ms. All that stands before a handler stays as it is: connections, floods and what calls
 * may hold (call-budget.ts) are node:http2's and our own, and grpc-js goes on counting calls for idle connections.
 *
 * Everything else is grpc-js's: streams, methods that are not known, compressed requests, and headers that it refuses.
 * Answers and faults are those that it would give.
 */
import { constants, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { Metadata, type Server, type ServerOptions, status as Status } from "@grpc/grpc-js";
import { countUnserved, isServed, noteStream, serverOptionsOf } from "./grpc-internals.ts";

const PREFIX_BYTES = 5; // compressed flag (1), length (4): gRPC over HTTP/2, "Length-Prefixed-Message"
const MESSAGE_BYTES_MAX = 4 << 20; // of a request, where the server's options say nothing: gRPC's default
/** Headers that are gRPC's own: handlers do not see them. */
const PROTOCOL_HEADERS = [
  "grpc-timeout",
  "grpc-encoding",
  "grpc-accept-encoding",
  "accept-encoding",
  "te",
  "content-type",
] as const;
const ANSWER_HEADERS = Object.freeze({
  ":status": 200,
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "identity,deflate,gzip",
  "grpc-encoding": "identity",
});
const OK_TRAILERS = Object.freeze({ "grpc-status": "0", "grpc-message": "OK" });
const TIMEOUT = /^(\d{1,8})([HMSmun])$/; // gRPC over HTTP/2, "Timeout"
const TIMEOUT_UNITS_MS = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 } as const;
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What a handler may ask of its call; those of grpc-js have it too. */
export interface UnaryCall {
  /** The client's headers. */
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  /** Address and port of the client. */
  getPeer(): string;
  /** The authority that the client has called. */
  getHost(): string;
  /** Sends response headers, before the answer. */
  sendMetadata(metadata: Metadata): void;
  /** Told once, when the call has ended in whatever way. */
  on(event: "cancelled", listener: () => void): unknown;
}

/** The status of a call that has failed. */
interface FailedStatus {
  code: Status;
  details: string;
  metadata?: Metadata;
}

/** One method: from a request's bytes to those of the answer. What it throws becomes a status by `statusOf`. */
export interface UnaryMethod {
  answer(request: Buffer, call: UnaryCall): Promise<Buffer>;
  statusOf(thrown: unknown): FailedStatus;
  /** Told of what an answer could not be sent for; the call is reset then. */
  broken(thrown: unknown): void;
}

const methods = new WeakMap<Server, Map<string, UnaryMethod>>();

/** Makes a method known that has been added to grpc-js as well. @param path `/package.Service/Method` */
export function addUnaryMethod(server: Server, path: string, method: UnaryMethod): void {
  const known = methods.get(server) ?? new Map<string, UnaryMethod>();
  methods.set(server, known.set(path, method));
}

/** Whether a call with these headers is served here. */
export function isUnaryCall(server: Server, headers: IncomingHttpHeaders): boolean {
  return methodOf(server, headers) !== undefined;
}

/** Serves such calls of an injector's node:http2 server; the others go where they went. */
export function serveUnaryCalls(server: Server, http2Server: Http2Server): void {
  type Listener = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ...more: unknown[]) => void;
  const theirs = http2Server.listeners("stream") as Listener[];
  const options = serverOptionsOf(server);
  http2Server.removeAllListeners("stream");
  const taken: Listener = (stream, headers, ...more) => {
    const method = methodOf(server, headers);
    if (method === undefined) {
      stream.on("error", () => {}); // "close" follows
      if (!isServed(server, headers) && !countUnserved(stream)) return;
      for (const listener of theirs) listener.call(http2Server, stream, headers, ...more);
      return;
    }
    if (stream.closed) return; // it has been refused
    noteStream(server, stream);
    new Http2UnaryCall(stream, headers, method, options).begin();
  };
  http2Server.on("stream", taken);
}

/** The method of a call that is to be served here. */
function methodOf(server: Server, headers: IncomingHttpHeaders): UnaryMethod | undefined {
  const { "content-type": type, "grpc-encoding": encoding, "grpc-timeout": timeout } = headers;
  if (typeof type !== "string" || !type.startsWith("application/grpc")) return undefined;
  if (encoding !== undefined && encoding !== "identity") return undefined;
  if (timeout !== undefined && (typeof timeout !== "string" || !TIMEOUT.test(timeout))) return undefined;
  return methods.get(server)?.get(headers[":path"] ?? "");
}

class Http2UnaryCall implements UnaryCall {
  cancelled = false;
  /** Where grpc-internals.ts looks for the stream of a call of grpc-js. */
  readonly call: { readonly stream: ServerHttp2Stream };
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #method: UnaryMethod;
  readonly #options: ServerOptions;
  #metadata: Metadata | undefined;
  readonly #listeners: (() => void)[] = [];
  #chunks: Buffer[] = [];
  #received = 0;
  #answered = false;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, method: UnaryMethod, options: ServerOptions) {
    this.call = { stream };
    this.#stream = stream;
    this.#headers = headers;
    this.#method = method;
    this.#options = options;
  }

  begin(): void {
    const stream = this.#stream;
    stream.on("error", () => {}); // "close" follows
    stream.once("close", () => this.#ended());
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.once("end", () => this.#run());
    const { "grpc-timeout": timeout } = this.#headers as { "grpc-timeout"?: string };
    if (timeout === undefined) return;
    const [, count, unit] = TIMEOUT.exec(timeout)!;
    const ms = Number(count) * TIMEOUT_UNITS_MS[unit as keyof typeof TIMEOUT_UNITS_MS];
    const late = () => this.#fail({ code: Status.DEADLINE_EXCEEDED, details: "Deadline exceeded" });
    this.#deadline = setTimeout(late, Math.min(ms, TIMER_MS_MAX));
  }

  get metadata(): Metadata {
    if (this.#metadata === undefined) {
      this.#metadata = Metadata.fromHttp2Headers(this.#headers);
      for (const name of PROTOCOL_HEADERS) this.#metadata.remove(name);
    }
    return this.#metadata;
  }

  getPeer(): string {
    const { remoteAddress, remotePort } = this.#stream.session?.socket ?? {};
    return remoteAddress === undefined ? "unknown" : `${remoteAddress}:${remotePort}`;
  }

  getHost(): string {
    return this.#headers[":authority"] ?? this.#headers.host ?? "";
  }

  sendMetadata(metadata: Metadata): void {
    if (this.#over || this.#stream.headersSent) return;
    this.#stream.respond({ ...ANSWER_HEADERS, ...metadata.toHttp2Headers() }, { waitForTrailers: true });
  }

  on(_event: "cancelled", listener: () => void): void {
    this.#listeners.push(listener);
  }

  get #over(): boolean {
    return this.#answered || this.cancelled || this.#stream.closed || this.#stream.destroyed;
  }

  #receive(chunk: Buffer): void {
    if (this.#over) return;
    this.#chunks.push(chunk);
    this.#received += chunk.length;
    const length = this.#requestBytes;
    const max = this.#options["grpc.max_receive_message_length"] ?? MESSAGE_BYTES_MAX;
    if (length === undefined) return;
    if (max >= 0 && length > max) {
      const details = `Received message larger than max (${length} vs ${max})`;
      this.#fail({ code: Status.RESOURCE_EXHAUSTED, details });
    } else if (this.#received > PREFIX_BYTES + length) this.#failNumber("a second request message"); // it may have no end
  }

  #failNumber(what: string): void {
    const details = `Received ${what} for unary method ${this.#headers[":path"]}`;
    this.#fail({ code: Status.UNIMPLEMENTED, details });
  }

  /** As its prefix says; undefined until that has come. */
  get #requestBytes(): number | undefined {
    if (this.#received < PREFIX_BYTES) return undefined;
    if (this.#chunks[0]!.length < PREFIX_BYTES) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!.readUInt32BE(1);
  }

  #run(): void {
    if (this.#over) return;
    if (this.#received < PREFIX_BYTES + (this.#requestBytes ?? 0)) {
      this.#failNumber("no request message");
      return;
    }
    const request = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#method
      .answer(request.subarray(PREFIX_BYTES), this)
      .then(
        (answer) => this.#answer(answer),
        (thrown: unknown) => this.#fail(this.#method.statusOf(thrown)),
      )
      .catch((thrown: unknown) => {
        this.#method.broken(thrown);
        this.#stream.close(constants.NGHTTP2_CANCEL);
      });
  }

  #answer(answer: Buffer): void {
    if (this.#over) return;
    const max = this.#options["grpc.max_send_message_length"] ?? -1;
    if (max >= 0 && answer.length > max) {
      const details = `Sent message larger than max (${answer.length} vs. ${max})`;
      this.#fail({ code: Status.RESOURCE_EXHAUSTED, details });
      return;
    }
    if (!this.#stream.headersSent) this.#stream.respond(ANSWER_HEADERS, { waitForTrailers: true });
    const message = Buffer.allocUnsafe(PREFIX_BYTES + answer.length);
    message[0] = 0;
    message.writeUInt32BE(answer.length, 1);
    message.set(answer, PREFIX_BYTES);
    this.#end(OK_TRAILERS, message);
  }

  /** A status alone; what still comes of the request is read and dropped. */
  #fail({ code, details, metadata }: FailedStatus): void {
    if (this.#over) return;
    this.#chunks = [];
    const status = {
      "grpc-status": String(code),
      "grpc-message": encodeURI(details.toWellFormed()),
      ...metadata?.toHttp2Headers(),
    };
    if (this.#stream.headersSent) {
      this.#end(status);
      return;
    }
    this.#answered = true;
    clearTimeout(this.#deadline);
    const { ":status": ok, "content-type": type } = ANSWER_HEADERS;
    this.#stream.respond({ ":status": ok, "content-type": type, ...status }, { endStream: true });
  }

  #end(trailers: Record<string, string | string[] | number | undefined>, message?: Buffer): void {
    this.#answered = true;
    clearTimeout(this.#deadline);
    this.#stream.once("wantTrailers", () => this.#stream.sendTrailers(trailers));
    this.#stream.end(message);
  }

  #ended(): void {
    clearTimeout(this.#deadline);
    this.cancelled = true;
    this.#chunks = [];
    for (const listener of this.#listeners) listener();
  }
}
