/** What stands behind a Flight server: the service's methods without their transport (flight-server.ts has that). */
import type * as grpc from "@grpc/grpc-js";
import type { CodedError } from "../error.ts";
import type { FlightDescriptor, FlightInfo, PollInfo, PutResult } from "../grpc/generated/flight.ts";
import type { Init } from "../grpc/service.ts";
import type { Identity } from "../security/grant.ts";
import type { FlightDataMessage, OutgoingFlightData } from "./flight-data.ts";

/** What a handler knows of the call that it answers. */
export interface CallContext {
  /** Address of the client, as the transport gives it. */
  readonly peer: string;
  /** Request headers. */
  readonly metadata: grpc.Metadata;
  /** Who the client has proved to be; undefined where nobody has to. */
  readonly identity: Identity | undefined;
  /** Absent: by a ticket. */
  readonly asks?: "request";
  /** Aborts when the client has left. */
  readonly signal: AbortSignal;
  /** Sends response headers, before the first message. */
  sendHeaders(headers: grpc.Metadata): void;
  /**
   * Says about how many bytes the answer will have, before it is made.
   * @throws CodedError RESOURCE_EXHAUSTED / CALL_BYTES when unread answers hold too much already
   */
  announce(bytes: number): void;
}

/** One record batch on its way out. Its message may be a view of shared memory, which stays valid until `release`. */
export interface OutgoingBatch {
  readonly message: FlightDataMessage;
  readonly rows: number;
  /** Called once, when the message has been copied or will never be read. */
  release(): void;
}

/**
 * How a DoGet ended: all was sent, the client left (or an ended stream stopped waiting for it), or an error ended the
 * call.
 */
export type GetOutcome = "completed" | "cancelled" | "failed";

/** One DoGet. */
export interface OutgoingStream {
  /** What is read, for who watches. */
  readonly about?: { kind: "session" | "range"; id: string };
  /** Sent at once: the schema, then dictionaries. */
  readonly opening: readonly FlightDataMessage[];
  /** The next batch; undefined at the end. @throws CodedError, which ends the call */
  next(): Promise<OutgoingBatch | undefined>;
  /** Aborts when the stream has been ended and waiting for the client is of no use any more. */
  readonly endedSignal?: AbortSignal;
  /** The opening messages, or a batch, begin to wait for the client. */
  writing?(): void;
  /** The opening messages went. */
  opened?(): void;
  /** The batch went. */
  wrote?(batch: OutgoingBatch, waitedMs: number): void;
  /** Its name's pace makes the client wait, or does so no longer. */
  paced?(isWaiting: boolean): void;
  /** Ends it: `next` throws the error. */
  end?(error: CodedError): void;
  /** Where the client goes on; sent with an error, as the trailer `cursor`. */
  cursor?(): string | undefined;
  /** Trailers of a call that has come to its end. */
  trailers?(): Readonly<Record<string, string>>;
  /** Called once, in any case. */
  close(outcome: GetOutcome): void;
}

/** An action of DoAction, as ListActions names it. Bodies are bytes in the encoding that the action defines. */
export interface FlightAction {
  readonly type: string;
  readonly description: string;
  /** Result bodies. @throws CodedError */
  run(body: Uint8Array, context: CallContext): Promise<Iterable<Uint8Array>>;
}

/**
 * The methods of arrow.flight.protocol.FlightService, each by its name in the proto. A CodedError that a method throws
 * becomes the status of the call.
 */
export interface FlightProducer {
  readonly actions: readonly FlightAction[];
  listFlights(criteria: Uint8Array, context: CallContext): Promise<Iterable<Init<FlightInfo>>>;
  getFlightInfo(descriptor: FlightDescriptor, context: CallContext): Promise<Init<FlightInfo>>;
  pollFlightInfo(descriptor: FlightDescriptor, context: CallContext): Promise<Init<PollInfo>>;
  /** An encapsulated IPC schema message. */
  getSchema(descriptor: FlightDescriptor, context: CallContext): Promise<Uint8Array>;
  doGet(ticket: Uint8Array, context: CallContext): Promise<OutgoingStream>;
  /** Absent: UNIMPLEMENTED. Takes what a client uploads. */
  doPut?(call: grpc.ServerDuplexStream<FlightDataMessage, Init<PutResult>>, context: CallContext): Promise<void>;
  /** Absent: UNIMPLEMENTED. */
  doExchange?(
    call: grpc.ServerDuplexStream<FlightDataMessage, OutgoingFlightData>,
    context: CallContext,
  ): Promise<void>;
}
