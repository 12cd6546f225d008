/**
 * The places where this project looks behind grpc-js's public API (1.14.7): the node:http2 server of an injector, the
 * node:http2 stream of a server call, a server's options and its count of calls. They say so when a newer grpc-js has moved
 * them.
 */
import {
  constants,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { DetailedPeerCertificate } from "node:tls";
import { Metadata, type Server, type ServerCredentials, type ServerOptions } from "@grpc/grpc-js";
import { CodedError } from "../error.ts";
import type { Lane } from "../http2/http2-lane.ts";
import { chargeAnswer, holdFor } from "./call-budget.ts";

/** What `server.createConnectionInjector` returns. */
type ConnectionInjector = ReturnType<Server["createConnectionInjector"]>;

/**
 * node:http2's own limit of resets, by which it ends sessions without an account: 1,000, and 33 a second, where
 * flood-meter.ts allows clients more and says why it ends one.
 */
const RESETS = { streamResetBurst: 2 ** 31 - 1, streamResetRate: 2 ** 31 - 1 };

/**
 * Makes a connection injector and finds the node:http2 server behind it.
 * Throws INTERNAL / GRPC_JS_CHANGED when grpc-js keeps that somewhere else.
 */
export function createInjector(
  server: Server,
  credentials: ServerCredentials,
): { injector: ConnectionInjector; http2Server: Http2Server } {
  // Both are private fields of grpc-js's Server.
  const { http2Servers, commonServerOptions } = server as unknown as {
    http2Servers?: Map<Http2Server, unknown>;
    commonServerOptions?: object;
  };
  if (commonServerOptions === undefined)
    throw changed("does not keep its options of node:http2 in commonServerOptions");
  Object.assign(commonServerOptions, RESETS);
  const before = new Set(http2Servers?.keys());
  const injector = server.createConnectionInjector(credentials);
  for (const http2Server of http2Servers?.keys() ?? []) {
    if (!before.has(http2Server)) return { injector, http2Server };
  }
  throw changed("does not keep its node:http2 servers in http2Servers");
}

function changed(what: string): CodedError {
  const sentence = `this @grpc/grpc-js ${what}: use 1.14.7, or adapt src/grpc/grpc-internals.ts`;
  return new CodedError("INTERNAL", "GRPC_JS_CHANGED", sentence);
}

/** The options that a server was made with. @throws CodedError INTERNAL / GRPC_JS_CHANGED */
export function serverOptionsOf(server: Server): ServerOptions {
  // `options` and `onStreamOpened` are private members of grpc-js's Server.
  const { options, onStreamOpened } = server as unknown as { options?: ServerOptions; onStreamOpened?: unknown };
  if (options === undefined || typeof onStreamOpened !== "function") throw changed("has no options or onStreamOpened");
  return options;
}

/** Whether a method of a server serves a call with these headers. @throws CodedError INTERNAL / GRPC_JS_CHANGED */
export function isServed(server: Server, headers: IncomingHttpHeaders): boolean {
  const { handlers } = server as unknown as { handlers?: Map<string, unknown> }; // a private member, as above
  if (handlers === undefined) throw changed("does not keep its methods in handlers");
  return handlers.has(headers[":path"] ?? "") && headers["content-type"]?.startsWith("application/grpc") === true;
}

/** Has the connection of a call that no method serves count it. @returns false when that has ended the connection */
export function countUnserved(stream: ServerHttp2Stream): boolean {
  const socket = stream.session?.socket as { countUnserved?: () => boolean } | undefined;
  return socket?.countUnserved?.() ?? true;
}

/** Has grpc-js count a call that it does not serve, so that the connection is not idle meanwhile. */
export function noteStream(server: Server, stream: ServerHttp2Stream): void {
  // a private member, as above
  (server as unknown as { onStreamOpened(stream: ServerHttp2Stream): void }).onStreamOpened(stream);
}

interface InterceptingCall {
  nextCall?: InterceptingCall; // one per interceptor
  stream?: ServerHttp2Stream;
}

function http2StreamOf(call: object): ServerHttp2Stream | undefined {
  let inner = (call as { call?: InterceptingCall }).call;
  while (inner?.nextCall !== undefined) inner = inner.nextCall;
  return inner?.stream;
}

/**
 * Announces how many bytes the whole answer of a server call has, or will have, to what all calls may hold together
 * (call-budget.ts); they count until the call is closed.
 * @throws CodedError RESOURCE_EXHAUSTED / CALL_BYTES
 */
export function announceAnswer(call: object, bytes: number): void {
  chargeAnswer(http2StreamOf(call), bytes);
}

/**
 * The call has proved a name, which its limits go by from now on where PEER_LIMITS says so.
 * @throws CodedError RESOURCE_EXHAUSTED / CALLS_MAX, CALL_BYTES
 */
export function announceName(call: object, name: string): void {
  holdFor(http2StreamOf(call), name);
}

/** The node:http2 session that carries a server call; undefined once it is gone. */
export function http2SessionOf(call: object): Http2Session | undefined {
  return http2StreamOf(call)?.session;
}

/**
 * The way to a server call's client past node:http2 (http2-lane.ts); the response headers go out with it. Undefined where
 * the connection has none, as on Node, and for a call that is over. Use one way only for the messages of a call.
 */
export function laneOf(call: LanedCall): Lane | undefined {
  const known = lanes.get(call);
  if (known !== undefined) return known ?? undefined; // null: it has none
  const stream = http2StreamOf(call);
  const { openLane } = (stream?.session?.socket ?? {}) as { openLane?: (stream: number) => Lane | undefined };
  const lane = stream?.id === undefined ? undefined : openLane?.(stream.id);
  lanes.set(call, lane ?? null);
  if (lane !== undefined && !stream!.headersSent) call.sendMetadata(new Metadata());
  return lane;
}

const lanes = new WeakMap<object, Lane | null>();

interface LanedCall {
  sendMetadata(metadata: Metadata): void;
}

/**
 * Ends a server call at once by RST_STREAM with that error code (RFC 9113 section 7, default CANCEL), dropping what is queued for its client: for clients that do not read, whom a
 * status would never reach. The call then emits "cancelled". grpc-js itself has only `destroy`, which leaves the
 * stream open.
 */
export function resetCall(call: object, code: number = constants.NGHTTP2_CANCEL): void {
  lanes.get(call)?.reset(code);
  http2StreamOf(call)?.close(code);
}

/** The certificate that the client of a server call proved with TLS; undefined when it proved none. */
export function peerCertificateOf(call: object): DetailedPeerCertificate | undefined {
  const socket = http2SessionOf(call)?.socket as { peerCertificate?: DetailedPeerCertificate } | undefined;
  return socket?.peerCertificate;
}
