/** The Flight service on a grpc-js server: transport, credentials and the shape of calls; a producer has the content. */

import * as grpc from "@grpc/grpc-js";
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { FlightInfo, FlightService } from "../grpc/generated/flight.ts";
import { announceAnswer } from "../grpc/grpc-internals.ts";
import { addService, type Handlers, type Init, type OnUnexpected } from "../grpc/service.ts";
import type { Gate } from "../security/gate.ts";
import { identityOf } from "../security/grant.ts";
import type { CallFacts, GetFacts } from "../tracing/span-facts.ts";
import { traceContextOf } from "../tracing/trace-context.ts";
import { type DoGetCall, runDoGet } from "./do-get.ts";
import { decodeFlightData, type OutgoingFlightData, serializeFlightData } from "./flight-data.ts";
import { GetWatch } from "./get-watch.ts";
import { refuseSqlAction } from "./no-sql.ts";
import type { CallContext, FlightAction, FlightProducer, OutgoingStream } from "./producer.ts";
import { tracedCalls } from "./traced-calls.ts";

interface FlightServerOptions {
  /** Who may call; absent: everybody. */
  gate?: Gate;
  /** Why no call is answered at present, if that is so. */
  refusal?: () => CodedError | undefined;
  /** Told of faults of ours: errors of handlers that are not CodedErrors. */
  onUnexpected: OnUnexpected;
  /** Told of each DoGet that has ended; absent: nobody traces them. */
  getEnded?: (facts: GetFacts) => void;
  /** As `getEnded`, of calls with small answers. */
  callEnded?: (facts: CallFacts) => void;
}

/** FlightData by the one-copy codec (flight-data.ts). */
const FLIGHT_DATA = {
  typeName: FlightService.methods.doGet.response.typeName,
  encode: (message: Init<OutgoingFlightData>) => serializeFlightData(message as OutgoingFlightData),
  decode: (bytes: Uint8Array): OutgoingFlightData => decodeFlightData(bytes),
};

interface AnyCall {
  readonly metadata: grpc.Metadata;
  getPeer(): string;
  sendMetadata(metadata: grpc.Metadata): void;
  on(event: "cancelled", listener: () => void): unknown;
}

/** Registers the service. */
export function addFlightService(server: grpc.Server, producer: FlightProducer, options: FlightServerOptions): void {
  const { doGet, doPut, doExchange } = FlightService.methods;
  const service = {
    ...FlightService,
    methods: {
      ...FlightService.methods,
      doGet: { ...doGet, response: FLIGHT_DATA },
      doPut: { ...doPut, request: FLIGHT_DATA },
      doExchange: { ...doExchange, request: FLIGHT_DATA, response: FLIGHT_DATA },
    },
  };
  const { gate, onUnexpected } = options;

  /** @throws CodedError the refusal */
  const contextOf = (call: AnyCall): CallContext => {
    const refusal = options.refusal?.();
    if (refusal !== undefined) throw refusal;
    const identity = identityOf(call);
    const abort = new AbortController();
    call.on("cancelled", () => abort.abort());
    const sendHeaders = (headers: grpc.Metadata) => call.sendMetadata(headers);
    const announce = (bytes: number) => announceAnswer(call, bytes);
    return { peer: call.getPeer(), metadata: call.metadata, identity, signal: abort.signal, sendHeaders, announce };
  };

  const handlers: Handlers<typeof service> = {
    async handshake(call) {
      if (gate === undefined) {
        throw unimplemented("Handshake", "this server asks for no credentials; call it without");
      }
      await handshake(call, gate);
    },
    async listFlights(call) {
      const infos = [...(await producer.listFlights(call.request.expression, contextOf(call)))];
      writeAll(call, infos, FlightInfo.encode);
    },
    getFlightInfo: async (request, call) => producer.getFlightInfo(request, contextOf(call)),
    pollFlightInfo: async (request, call) => producer.pollFlightInfo(request, contextOf(call)),
    getSchema: async (request, call) => ({ schema: await producer.getSchema(request, contextOf(call)) }),
    doGet: async (call) => answerGet(call, () => producer.doGet(call.request.ticket, contextOf(call)), options),
    async doPut(call) {
      const context = contextOf(call);
      if (producer.doPut === undefined) throw unimplemented("DoPut", "this server only reads: nothing can be put");
      await producer.doPut(call as Parameters<NonNullable<FlightProducer["doPut"]>>[0], context);
    },
    async doExchange(call) {
      const context = contextOf(call);
      if (producer.doExchange === undefined) throw unimplemented("DoExchange", "this server only reads: use DoGet");
      type Exchange = Parameters<NonNullable<FlightProducer["doExchange"]>>[0];
      await producer.doExchange(call as Exchange, context);
    },
    async doAction(call) {
      const context = contextOf(call);
      const action = findAction(producer.actions, call.request.type);
      const bodies = [...(await action.run(call.request.body, context))];
      writeAll(
        call,
        bodies.map((body) => ({ body })),
        ({ body }) => body,
      );
    },
    async listActions(call) {
      contextOf(call);
      for (const { type, description } of producer.actions) call.write({ type, description });
      call.end();
    },
  };
  addService(server, service, tracedCalls(handlers, options.callEnded), onUnexpected, gate?.admit);
}

/** @param open the stream; a rejection is the answer */
async function answerGet(
  call: Parameters<Handlers<typeof FlightService>["doGet"]>[0],
  open: () => Promise<OutgoingStream>,
  { onUnexpected, getEnded }: FlightServerOptions,
): Promise<void> {
  const caller = traceContextOf((header) => call.metadata.get(header)[0]?.toString());
  const watch = getEnded && new GetWatch({ over: "flight", caller, peer: call.getPeer() }, getEnded);
  const failed = (thrown: unknown) => {
    watch?.failed(thrown);
    if (!(thrown instanceof CodedError)) onUnexpected(thrown, "DoGet");
  };
  const stream = await open().catch((thrown) => {
    watch?.refused(thrown);
    throw thrown;
  });
  await runDoGet(call as DoGetCall, watch?.of(stream) ?? stream, { onError: failed, nowMs: () => performance.now() });
}

/**
 * Writes the whole answer of a call, and ends the call.
 * @throws CodedError RESOURCE_EXHAUSTED / CALL_BYTES, with nothing written
 */
function writeAll<T>(
  call: { write(message: T): unknown; end(): unknown },
  messages: readonly T[],
  bytesOf: (message: T) => Uint8Array | undefined,
): void {
  announceAnswer(
    call,
    messages.reduce((sum, message) => sum + (bytesOf(message)?.length ?? 0), 0),
  );
  for (const message of messages) call.write(message);
  call.end();
}

function unimplemented(method: string, why: string): CodedError {
  return new CodedError("UNIMPLEMENTED", "UNIMPLEMENTED", `${method} is not offered: ${why}`);
}

/** @throws CodedError INVALID_ARGUMENT / ACTION_UNKNOWN */
function findAction(actions: readonly FlightAction[], type: string): FlightAction {
  const action = actions.find((candidate) => candidate.type === type);
  if (action !== undefined) return action;
  refuseSqlAction(type);
  throw new CodedError(
    "UNIMPLEMENTED",
    "ACTION_UNKNOWN",
    `there is no action ${quoted(type)}: the actions are ${actions.map((known) => known.type).join(", ")}`,
  );
}

/** Answers the first request with a token, in the header and in the payload. */
async function handshake(call: Parameters<Handlers<typeof FlightService>["handshake"]>[0], gate: Gate): Promise<void> {
  let answered = false;
  const answer = async (payload: Uint8Array) => {
    answered = true;
    const token = await gate.login(call, payload);
    const headers = new grpc.Metadata();
    headers.set("authorization", `Bearer ${token}`);
    call.sendMetadata(headers);
    call.write({ payload: Buffer.from(token) });
  };
  const iterator: AsyncIterable<{ payload: Uint8Array }> = call.iterator({ destroyOnReturn: false });
  try {
    for await (const request of iterator) {
      if (!answered) await answer(request.payload);
      // Flight's older clients send their message and wait for the answer before they close their side.
    }
  } catch (thrown) {
    if (call.cancelled && !(thrown instanceof CodedError)) return; // it has its answer, or wants none
    throw thrown;
  }
  if (!answered) await answer(new Uint8Array(0)); // the header may be all that there is
  call.end();
}
