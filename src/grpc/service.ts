/**
 * Typed gRPC over grpc-js: what a generated module says about a service (`ServiceType`) becomes handlers on a server
 * or a client whose calls are promises. Errors cross as `CodedError` on both sides: the code is the gRPC status, the
 * stable reason travels as the trailing metadata `reason`, the message as the status text; causes stay here.
 */
import * as grpc from "@grpc/grpc-js";
import { CODE_NUMBERS, type Code } from "../codes.ts";
import { CodedError } from "../error.ts";
import { announceAnswer, announceName, resetCall } from "./grpc-internals.ts";
import { addUnaryMethod, type UnaryCall, type UnaryMethod } from "./unary-calls.ts";
import { assertReadable, readRequest, refuseUnreadable } from "./unreadable.ts";

/** What may be given for a T that is to be sent: every field may be left out, at every depth (proto3 defaults). */
export type Init<T> = T extends Uint8Array | string | number | boolean | undefined
  ? T
  : T extends readonly (infer E)[]
    ? readonly Init<E>[]
    : T extends ReadonlyMap<infer K, infer V>
      ? ReadonlyMap<K, Init<V>>
      : { readonly [K in keyof T]?: Init<T[K]> };

/** A protobuf message type. Bytes fields of a decoded message are views on the input. */
export interface Codec<T> {
  /** Full name, without a leading dot. */
  readonly typeName: string;
  encode(message: Init<T>): Uint8Array;
  /** @throws Error, RangeError for bytes that are no such message */
  decode(bytes: Uint8Array): T;
}

type MethodKind = "unary" | "serverStream" | "clientStream" | "bidi";

/** One method of a .proto service, with the codecs of its messages. */
export interface MethodInfo {
  /** As the .proto spells it. */
  readonly name: string;
  readonly kind: MethodKind;
  readonly request: Codec<unknown>;
  readonly response: Codec<unknown>;
}

/** A service of a .proto file, as the generator writes it. */
export interface ServiceType {
  readonly typeName: string;
  /** Keyed by the method's name with a lower-case first letter. */
  readonly methods: Readonly<Record<string, MethodInfo>>;
}

/** What server reflection tells of one .proto file. Names are full names without a leading dot. */
export interface FileDescriptor {
  /** As an import spells it. */
  readonly name: string;
  readonly imports: readonly string[];
  readonly services: readonly string[];
  /** All that the file declares: services, methods, messages, fields, enums, values. */
  readonly symbols: readonly string[];
  /** The serialized google.protobuf.FileDescriptorProto. */
  readonly base64: string;
}

type RequestOf<M extends MethodInfo> = M["request"] extends Codec<infer T> ? T : never;
type ResponseOf<M extends MethodInfo> = M["response"] extends Codec<infer T> ? T : never;

/** How a method is implemented. A thrown or rejected error ends the call with its status. */
type Handler<M extends MethodInfo> = M["kind"] extends "unary"
  ? (request: RequestOf<M>, call: UnaryCall) => Init<ResponseOf<M>> | Promise<Init<ResponseOf<M>>>
  : M["kind"] extends "serverStream"
    ? (call: grpc.ServerWritableStream<RequestOf<M>, Init<ResponseOf<M>>>) => void | Promise<void>
    : M["kind"] extends "clientStream"
      ? (call: grpc.ServerReadableStream<RequestOf<M>, Init<ResponseOf<M>>>) => Promise<Init<ResponseOf<M>>>
      : (call: grpc.ServerDuplexStream<RequestOf<M>, Init<ResponseOf<M>>>) => void | Promise<void>;

/**
 * One handler for each method of S. Unary and client-stream handlers return the response; the others write to the call
 * and end it themselves.
 */
export type Handlers<S extends ServiceType> = { readonly [K in keyof S["methods"]]: Handler<S["methods"][K]> };

/** Told of every error that a handler throws and that is not a CodedError: a fault of ours, to be logged. */
export type OnUnexpected = (error: unknown, method: string) => void;

/** A codec may also return an object of its own that grpc-js takes for a Buffer (flight-data.ts): it passes as it is. */
function asBuffer(bytes: Uint8Array): Buffer {
  if (!(bytes instanceof Uint8Array)) return bytes as Buffer;
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A unary answer whose size had to be known before grpc-js takes it. */
class EncodedAnswer {
  constructor(readonly bytes: Buffer) {}
}

/** One method as grpc-js wants it; for calls that need another codec than the generated one, spread and replace. */
export function methodDefinition<M extends MethodInfo>(
  service: { readonly typeName: string },
  method: M,
): grpc.MethodDefinition<Init<RequestOf<M>>, ResponseOf<M>> {
  const definition: grpc.MethodDefinition<unknown, unknown> = {
    path: `/${service.typeName}/${method.name}`,
    requestStream: method.kind === "clientStream" || method.kind === "bidi",
    responseStream: method.kind === "serverStream" || method.kind === "bidi",
    requestSerialize: (message) => asBuffer(method.request.encode(message as object)),
    requestDeserialize: (bytes) => readRequest(method.request, bytes),
    responseSerialize: (message) =>
      message instanceof EncodedAnswer ? message.bytes : asBuffer(method.response.encode(message as object)),
    responseDeserialize: (bytes) => method.response.decode(bytes),
    originalName: method.name,
  };
  // The codecs of M are what turns `unknown` into its own types; grpc-js keeps one type for both directions.
  return definition as grpc.MethodDefinition<Init<RequestOf<M>>, ResponseOf<M>>;
}

/** A whole service as grpc-js wants it. */
function serviceDefinition(service: ServiceType): grpc.ServiceDefinition {
  return Object.fromEntries(
    Object.entries(service.methods).map(([key, method]) => [key, methodDefinition(service, method)]),
  );
}

/**
 * The status that a remote caller sees. What is not a CodedError becomes INTERNAL / UNEXPECTED with a sentence that
 * gives nothing away.
 */
export function statusOf(thrown: unknown): { code: grpc.status; details: string; metadata: grpc.Metadata } {
  const error =
    thrown instanceof CodedError
      ? thrown
      : new CodedError("INTERNAL", "UNEXPECTED", "an unexpected error; the server's log has the details");
  const metadata = new grpc.Metadata();
  metadata.set("reason", error.reason);
  return { code: CODE_NUMBERS[error.code], details: error.message, metadata };
}

const CODE_NAMES = new Map<number, Code>(Object.entries(CODE_NUMBERS).map(([name, code]) => [code, name as Code]));

/**
 * The status of a failed call as the CodedError that the server threw; reason `GRPC_<status>` where the server gave none.
 * @param details the status' message
 */
export function receivedError(
  status: { code: grpc.status; details: string; reason?: string },
  cause?: unknown,
): CodedError {
  const code = CODE_NAMES.get(status.code) ?? "INTERNAL";
  const reason = status.reason ?? `GRPC_${grpc.status[status.code] ?? status.code}`;
  return CodedError.received(code, reason, status.details, { cause });
}

/** `receivedError` of a call of grpc-js. */
export function errorOf(error: grpc.ServiceError): CodedError {
  const given = error.metadata?.get("reason")[0];
  const reason = typeof given === "string" ? given : undefined;
  return receivedError({ code: error.code, details: error.details || error.message, reason }, error);
}

/** What is asked of a call before its handler runs. Each kind of call of grpc-js has it. */
interface IncomingCall {
  readonly metadata: grpc.Metadata;
  readonly cancelled: boolean;
  getPeer(): string;
}

/**
 * Lets a call of `path` (`package.Service/Method`) in, and says who makes it where somebody is asked; or throws or rejects
 * to refuse it: the handler does not run then.
 */
export type Admit = (call: IncomingCall, path: string) => Promise<{ readonly name: string } | undefined>;

type AnyHandler = (...args: unknown[]) => unknown;

/** The handler, which is given no request that cannot be read. */
function withRequest(handler: AnyHandler, kind: MethodKind): AnyHandler {
  if (kind === "clientStream" || kind === "bidi") return handler;
  return (...args) => {
    const [first] = args;
    assertReadable(kind === "unary" ? first : (first as grpc.ServerWritableStream<unknown, unknown>).request);
    return handler(...args);
  };
}

/** The handler behind the gate. A client that has left meanwhile, which nobody tells a handler twice, finds none. */
function admitted(handler: AnyHandler, path: string, admit: Admit | undefined, kind: MethodKind): AnyHandler {
  if (admit === undefined) return handler;
  return async (...args) => {
    const call = args.at(-1) as IncomingCall;
    const caller = await admit(call, path);
    if (caller !== undefined) announceName(call, caller.name);
    if (!call.cancelled) return await handler(...args);
    if (kind === "unary" || kind === "clientStream")
      throw new CodedError("CANCELLED", "CLIENT_LEFT", "the client has left");
  };
}

/** What a handler answers, counted for its call. */
async function encodedAnswer(method: MethodInfo, call: object, handle: () => unknown): Promise<Buffer> {
  const bytes = asBuffer(method.response.encode((await handle()) as object));
  announceAnswer(call, bytes.length);
  return bytes;
}

/** A unary method for calls past grpc-js. */
function unaryMethod(method: MethodInfo, path: string, handler: AnyHandler, onUnexpected: OnUnexpected): UnaryMethod {
  return {
    answer: (request, call) => encodedAnswer(method, call, () => handler(readRequest(method.request, request), call)),
    statusOf(thrown) {
      if (!(thrown instanceof CodedError)) onUnexpected(thrown, path);
      return statusOf(thrown);
    },
    broken: (thrown) => onUnexpected(thrown, path),
  };
}

/**
 * The handler as grpc-js calls it: whatever it throws ends its own call with a status, and what grpc-js throws at that
 * (or at the answer) ends the call by RST_STREAM. Nothing gets past the call, where it would end the thread.
 */
function guarded(method: MethodInfo, path: string, handler: AnyHandler, onUnexpected: OnUnexpected) {
  const fail = (error: unknown) => {
    if (!(error instanceof CodedError)) onUnexpected(error, path);
    return statusOf(error);
  };
  const contained = (call: object, step: () => void) => {
    try {
      step();
    } catch (error) {
      onUnexpected(error, path);
      resetCall(call);
    }
  };
  if (method.kind === "unary" || method.kind === "clientStream") {
    return (call: grpc.ServerUnaryCall<unknown, unknown>, callback: grpc.sendUnaryData<unknown>) => {
      const args = method.kind === "unary" ? [call.request, call] : [call];
      encodedAnswer(method, call, () => handler(...args)).then(
        (bytes) => contained(call, () => callback(null, new EncodedAnswer(bytes))),
        (error: unknown) => contained(call, () => callback(fail(error))),
      );
    };
  }
  return (call: grpc.ServerWritableStream<unknown, unknown> | grpc.ServerDuplexStream<unknown, unknown>) => {
    if ("push" in call) {
      refuseUnreadable(call, (error) => contained(call, () => call.emit("error", statusOf(error))));
    }
    Promise.resolve()
      .then(() => handler(call))
      .catch((error: unknown) => contained(call, () => call.emit("error", fail(error))));
  };
}

/** Registers `handlers` for all methods of `service`. @param admit the gate that every call passes; absent: none */
export function addService<S extends ServiceType>(
  server: grpc.Server,
  service: S,
  handlers: Handlers<S>,
  onUnexpected: OnUnexpected = () => {},
  admit?: Admit,
): void {
  const implementation = Object.fromEntries(
    Object.entries(service.methods).map(([key, method]) => {
      const path = `${service.typeName}/${method.name}`;
      const given = withRequest(handlers[key as keyof S["methods"]] as AnyHandler, method.kind);
      const handler = admitted(given, path, admit, method.kind);
      if (method.kind === "unary") addUnaryMethod(server, `/${path}`, unaryMethod(method, path, handler, onUnexpected));
      return [key, guarded(method, path, handler, onUnexpected)];
    }),
  );
  server.addService(serviceDefinition(service), implementation as grpc.UntypedServiceImplementation);
}

/** Options of one client call, streams included. The deadline counts from the call on and covers a whole stream. */
export interface UnaryOptions {
  /** The call fails with DEADLINE_EXCEEDED after this long. */
  deadlineMs?: number;
  metadata?: grpc.Metadata;
  /** Cancels the call. */
  signal?: AbortSignal;
}

/** Headers of calls that carry a bearer token; none where it is undefined. */
export function bearerMetadata(token: string | undefined): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

type ClientCall<M extends MethodInfo> = M["kind"] extends "unary"
  ? (request: Init<RequestOf<M>>, options?: UnaryOptions) => Promise<ResponseOf<M>>
  : M["kind"] extends "serverStream"
    ? (request: Init<RequestOf<M>>, options?: UnaryOptions) => grpc.ClientReadableStream<ResponseOf<M>>
    : M["kind"] extends "bidi"
      ? (options?: UnaryOptions) => grpc.ClientDuplexStream<Init<RequestOf<M>>, ResponseOf<M>>
      : never;

/** Unary calls are promises that reject with CodedError; streams are those of grpc-js. */
export type ServiceClient<S extends ServiceType> = { readonly [K in keyof S["methods"]]: ClientCall<S["methods"][K]> };

function callOptions(options: UnaryOptions): grpc.CallOptions {
  return options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
}

function cancelWhenAborted(
  call: { cancel(): void; once(event: string, f: () => void): unknown },
  signal?: AbortSignal,
) {
  if (!signal) return;
  const cancel = () => call.cancel();
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  call.once("status", () => signal.removeEventListener("abort", cancel));
}

/** Calls of `service` over `client`, which the caller owns and closes. */
export function serviceClient<S extends ServiceType>(client: grpc.Client, service: S): ServiceClient<S> {
  const calls = Object.entries(service.methods).map(([key, method]) => {
    const { path, requestSerialize, responseDeserialize } = methodDefinition(service, method);
    if (method.kind === "unary") {
      const call = (request: unknown, options: UnaryOptions = {}) =>
        new Promise<unknown>((resolve, reject) => {
          const pending = client.makeUnaryRequest(
            path,
            requestSerialize,
            responseDeserialize,
            request as object,
            options.metadata ?? new grpc.Metadata(),
            callOptions(options),
            (error, response) => (error ? reject(errorOf(error)) : resolve(response)),
          );
          cancelWhenAborted(pending, options.signal);
        });
      return [key, call];
    }
    if (method.kind === "serverStream") {
      const call = (request: unknown, options: UnaryOptions = {}) => {
        const stream = client.makeServerStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request as object,
          options.metadata ?? new grpc.Metadata(),
          callOptions(options),
        );
        cancelWhenAborted(stream, options.signal);
        return stream;
      };
      return [key, call];
    }
    const call = (options: UnaryOptions = {}) => {
      const stream = client.makeBidiStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        options.metadata ?? new grpc.Metadata(),
        callOptions(options),
      );
      cancelWhenAborted(stream, options.signal);
      return stream;
    };
    return [key, call];
  });
  return Object.fromEntries(calls) as ServiceClient<S>;
}
